"""Writes the raw day files of the generated feed, so that it is ingested like any other log."""

from pathlib import Path

