"""What of a warehouse is damaged, also where the tables that tell it are."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import HsrlError
from pipeline.warehouse.lake import Lake
from pipeline.warehouse.own_files import own_files
from pipeline.warehouse.verify import Damage, catalogue_damage, find_damage, lost_files


def damage_at(root: Path) -> list[Damage]:
    """What of a warehouse is damaged, as far as it can be opened."""
    try:
        with Lake.open_copy(root) as lake:
            return lost_files(lake) or [*find_damage(lake), *catalogue_damage(lake.root)]
    except HsrlError:  # the first error says more
        return []
    except (duckdb.Error, OSError):
        return list(_unreadable(root))


def _unreadable(root: Path) -> Iterator[Damage]:
    """Files of small tables, those of hashes among them, that are here and no library can read; copies of what is in S3 need not be."""
    try:
        files = sorted(file for file in own_files(root) if file.exists())
    except (HsrlError, duckdb.Error, OSError):
        return
    for file in files:
        try:
            pq.read_table(file)
        except (OSError, pa.ArrowException):
            yield Damage(file, "cannot be read")
