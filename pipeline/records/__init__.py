"""Events to slates: RL4RS-style records with histories, unfinished lists carried from night to night, and the split."""
