"""The `hsrl` command: one file a group of commands, the texts they print, and where their input comes from."""
