"""Ingest: raw files to ordered canonical events; bad rows to the quarantine with file, line and reason (docs/design.md §4)."""
