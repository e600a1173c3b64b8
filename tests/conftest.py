"""What all tests share."""

from hypothesis import settings

# Cores are shared with other work: a deadline would measure them, not the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
