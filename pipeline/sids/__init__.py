"""Semantic IDs: codebooks learned once, items encoded every night, nothing ever renumbered (docs/tokenizer.md)."""
