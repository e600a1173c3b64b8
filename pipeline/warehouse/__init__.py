"""The warehouse: a DuckLake of releases, with one writer, audits, ledgers and a copy for readers."""
