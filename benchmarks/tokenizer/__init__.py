"""The tokenizer beside its comparators: `python -m benchmarks.tokenizer [PART ...]` rewrites docs/results/tokenizer.md."""
