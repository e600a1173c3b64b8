"""Order, retries, progress, deployments and the command; the only code that reads and writes files."""
