"""`hsrl sids export`: the Semantic IDs of a release as a file for other systems."""

from pathlib import Path
from typing import Any

import numpy as np

from flows.runtime.files import written
from pipeline.errors import ConfigError, WarehouseError
from pipeline.sids.mapping import SidMapping
from pipeline.sids.mapping_files import FORMATS, write_mapping
from pipeline.sids.table import SidTable
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.verify import require_intact
from pipeline.warehouse.warehouse import Warehouse


@naming_damage
def export_sids(root: Path, out: Path, form: str, release_id: int | None = None, replaces: bool = False) -> dict[str, Any]:
    """Write item → tokens of a release, whole or not at all; what was written is read back before it gets its name.

    Args:
        root: the warehouse.
        out: the file.
        form: a key of FORMATS.
        release_id: a release; None: the newest.
        replaces: whether a file that is there may be written over.

    Returns:
        The head of the file, and where it is.

    Raises:
        ConfigError: another format, a file that is there, or a place that cannot be written.
        WarehouseError: no such release, or it has no Semantic IDs.
    """
    if form not in FORMATS:
        raise ConfigError(f"sids export: {form!r:.40} is no format, expected one of: {', '.join(FORMATS)}")
    if out.exists() and not replaces:
        raise ConfigError(f"{out}: is there already; name another place, or write over it with --overwrite")
    if out.is_dir():
        raise ConfigError(f"{out}: is a folder, expected a file to write; name another place with --out")
    mapping = read_release(root, release_id)
    with written(out, root) as draft:
        write_mapping(mapping, draft, form)
    return {"format_name": form, "out": str(out), "bytes": out.stat().st_size, **mapping.head}


def read_release(root: Path, release_id: int | None = None) -> SidMapping:
    """The Semantic IDs of a release, from the readers' copy.

    Raises:
        WarehouseError: no such release, or it has no Semantic IDs.
    """
    with Warehouse.open_copy(root) as warehouse:
        known = warehouse.query("SELECT release_id FROM releases ORDER BY release_id")["release_id"].to_list()
        if not known:
            raise WarehouseError(f"{root}: nothing is published yet; begin with: hsrl refresh")
        asked = known[-1] if release_id is None else release_id
        if asked not in known:
            raise WarehouseError(
                f"{root}: there is no release {asked}, expected {known[0]} … {known[-1]}; see them with: hsrl status"
            )
        require_intact(warehouse, ("codebooks", "items", "sid_history"))
        rows = warehouse.query(
            "SELECT sids.*, items.raw_id AS raw FROM sids_at($asked) AS sids LEFT JOIN items USING (item_id) ORDER BY item_id",
            {"asked": asked},
        )
        if rows.is_empty():
            raise WarehouseError(f"{root}: release {asked} has no Semantic IDs; make them with: hsrl refresh")
        [codebook_id] = rows["codebook_id"].unique().to_list()
        vocabulary = warehouse.query(
            "SELECT count(*) AS n FROM codebooks WHERE codebook_id = $id GROUP BY level ORDER BY level", {"id": codebook_id}
        )["n"].to_list()
    if not vocabulary:
        raise WarehouseError(f"{root}: the codes of release {asked} are gone; export a later one, or: hsrl verify")
    table = SidTable(
        codebook_id,
        tuple(vocabulary),
        rows["item_id"].to_numpy(),
        np.array(rows["tokens"].to_list(), dtype=np.uint16),
        rows["slot"].to_numpy().astype(np.uint32),
    )
    # an item that no catalogue lists any more is known by the warehouse's number
    raw_ids = rows["raw"].fill_null(rows["item_id"].cast(str)).to_list()
    return SidMapping(asked, table, tuple(raw_ids))
