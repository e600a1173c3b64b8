"""What every run has: settings, identity and progress, steps, worker processes, files it writes."""
