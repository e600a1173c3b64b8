"""What surrounds a night that Prefect runs: its name, its lines, its progress, its artifacts, and when it is tried again."""
