"""The simulated user: answers, tiredness, patience; fitted to the records of a log."""
