"""Order, progress, deployments and the command `hsrl`; the only code that reads and writes files."""
