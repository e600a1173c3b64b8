"""Studies: named variants of a configuration, learned in several seeds and judged alike."""
