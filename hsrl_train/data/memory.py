"""How much of what a user was shown a state remembers, unless the environment says otherwise; apart, as settings are read without torch."""

MEMORY = 200  # items: twenty slates of ten, the longest session
