"""What is timed and compared, with what, in one run."""
