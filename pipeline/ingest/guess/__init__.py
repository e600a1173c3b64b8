"""A first configuration for a log that nobody has described: looked at, written down with its doubts, and tried."""
