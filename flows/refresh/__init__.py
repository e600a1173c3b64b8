"""The flow daily-refresh: raw logs to one published release of Semantic IDs; begin reading in ``flow``."""
