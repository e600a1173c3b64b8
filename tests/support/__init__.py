"""What tests share: configurations, small logs and feeds, and worlds that are made once and copied."""
