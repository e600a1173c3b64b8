"""Items to vectors by a frozen model, so that a night's vectors mean what the last night's did (DESIGN §6); users to profiles."""
