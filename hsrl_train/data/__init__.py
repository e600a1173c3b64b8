"""What is learned from, as tensors: records, items and Semantic IDs of one release, and where sessions start."""
