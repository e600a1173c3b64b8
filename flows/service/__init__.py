"""What keeps nights going on a machine: `hsrl up`, `hsrl doctor`, systemd units, a Compose file."""
