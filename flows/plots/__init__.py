"""Pictures with axes, by matplotlib: one style for the morning page and for studies."""
