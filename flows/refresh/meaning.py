"""Reads what gives the stored rows of a source their meaning."""

from pipeline.ingest.meaning import Meaning
from pipeline.warehouse.statements import statement
from pipeline.warehouse.warehouse import Warehouse


def stored_meaning(warehouse: Warehouse, source: str) -> dict[str, Meaning]:
    """Setting → value and since when it holds, of what gives the rows of a source their meaning; empty before the first release."""
    rows = warehouse.query(statement("source_meaning"), {"source": source})
    return {setting: Meaning(value, since) for setting, value, since in rows.iter_rows()}
