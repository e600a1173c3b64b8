"""What an iteration of the learner costs, and where the time goes."""
