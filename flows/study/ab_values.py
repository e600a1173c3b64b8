"""What positive answers are worth and cost, item by item: the file of `hsrl ab --values`."""

from pathlib import Path

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from hsrl_train.data.world import Catalogue
from pipeline.errors import ConfigError
from pipeline.warehouse.warehouse import Warehouse

EXPECTED = (
    "expected a CSV file with the columns item_id (as in the raw log), value and cost, a line for every item that may be shown"
)


def read_values(path: Path, warehouse: Warehouse, catalogue: Catalogue) -> Float[Tensor, "n_plus_1 2"]:
    """Value and cost of a positive answer to each item; zeros for padding, and for items that the file lacks and nobody is shown.

    Args:
        path: CSV: item_id, value (what the answer is worth to the advertiser) and cost (what the advertiser pays for it), both ≥ 0 and
            in any currency.
        warehouse: knows how the raw log spells items.
        catalogue: the items.

    Raises:
        ConfigError: no such file, other columns, an item twice, a number that is none, or an active item without a line.
    """
    try:
        given = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"{path}: {str(error).splitlines()[0]}; {EXPECTED}") from error
    if missing := [name for name in ("item_id", "value", "cost") if name not in given.columns]:
        raise ConfigError(f"{path}: has no column {', '.join(missing)}; {EXPECTED}")
    given = given.select(pl.col("item_id").alias("raw_id"), pl.col("value", "cost").cast(pl.Float64, strict=False))
    bad = given.filter(
        ~(pl.col("value").is_finite() & pl.col("cost").is_finite() & (pl.min_horizontal("value", "cost") >= 0)).fill_null(False)
    )
    if bad.height:
        raise ConfigError(
            f"{path}: {bad.height} of {given.height} lines have a value or cost that is no number of 0 or more, such as that of item "
            f"{bad['raw_id'][0]}; {EXPECTED}"
        )
    if twice := given.height - given["raw_id"].n_unique():
        first = given.filter(pl.col("raw_id").is_duplicated())["raw_id"][0]
        raise ConfigError(f"{path}: {twice} of {given.height} lines repeat an item, such as {first}; {EXPECTED}")
    names = warehouse.query("SELECT item_id, raw_id FROM items")
    items = pl.DataFrame({"item_id": catalogue.item_ids, "may_be_shown": catalogue.is_active[1:].numpy()})
    for known in (names, given):
        items = items.join(known, on=known.columns[0], how="left", maintain_order="left")
    unpriced = items.filter(pl.col("may_be_shown") & pl.col("value").is_null())["raw_id"]
    if len(unpriced):
        raise ConfigError(
            f"{path}: {len(unpriced)} of {int(catalogue.is_active.sum())} items that may be shown have no line, such as {unpriced[0]}; "
            f"{EXPECTED}"
        )
    of_items = items.select(pl.col("value", "cost").fill_null(0.0).cast(pl.Float32)).to_numpy()
    return torch.cat([torch.zeros(1, 2), torch.tensor(of_items)])
