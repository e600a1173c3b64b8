"""What `hsrl refresh --dry-run` foretells: mode, rows, time and churn, from the last release and the nights before it."""

from statistics import median
from typing import Any

import polars as pl

from flows.refresh.external_vectors import ExternalFiles, read_external_vectors
from flows.runtime.settings import Settings
from flows.stores.incumbent import Incumbent
from flows.stores.models import load_models, of_codebook
from pipeline.contracts import EMBEDDINGS, open_rows
from pipeline.embeddings.embed import embed
from pipeline.sids.drift import drift
from pipeline.sids.nightly import mode_of
from pipeline.warehouse.statements import statement
from pipeline.warehouse.warehouse import Warehouse

_NIGHTS = 7  # that the forecast looks back on


def forecast(
    warehouse: Warehouse,
    settings: Settings,
    incumbent: Incumbent,
    n_bytes: int,
    n_unwritten: int,
    external: ExternalFiles | None = None,
) -> dict[str, Any]:
    """Mode and why, rows, seconds and expected churn of the refresh to come.

    Drift is that of the last release's vectors: tonight's evidence is not read, but for a file of vectors that alone tells where items
    lie. Vectors of another width need the mode ``rebuild``, which is never begun by itself. Rows come from the bytes of the files, time
    from the nights before; both are None without a night to compare with. A delivery that is not written yet counts as a usual one.
    """
    mode, why = _mode(warehouse, settings, incumbent, external)
    nights, rows, seconds = _nights(warehouse), None, None
    if nights:
        rows_per_byte = sum(n_rows for n_rows, _, _, _ in nights) / sum(size for _, size, _, _ in nights)
        usual = median(n_rows / n_deliveries for n_rows, _, n_deliveries, _ in nights)
        rows = round(n_bytes * rows_per_byte + n_unwritten * usual)
        pace = median(took / n_rows for n_rows, _, _, took in nights)
        seconds = round(max(min(took for _, _, _, took in nights), rows * pace), 1)
    return {
        "mode": mode,
        "why": list(why),
        "rows": rows,
        "seconds": seconds,
        "churn": _churn(warehouse, settings, incumbent, mode),
    }


def _mode(
    warehouse: Warehouse, settings: Settings, incumbent: Incumbent, external: ExternalFiles | None
) -> tuple[str, tuple[str, ...]]:
    if incumbent.codebook is None or not incumbent.embeddings:
        return mode_of(settings.sids, None)
    if external is not None and external.misfit:
        return "rebuild", (f"{external.misfit}: refused without --rebuild",)
    embeddings = of_codebook(pl.read_parquet(incumbent.embeddings), incumbent.codebook.embedding_id)
    models = load_models(warehouse.artifacts, incumbent.codebook.embedding_id)
    if external is not None and external.is_new and models.takes_external:
        vectors, _ = read_external_vectors(settings.embeddings, external, incumbent.items)
        embeddings = embed(models.items, incumbent.items, (), vectors)
    return mode_of(
        settings.sids,
        drift(
            embeddings.select(list(EMBEDDINGS.schema)),
            incumbent.codebook,
            incumbent.history,
            incumbent.same_numbering_ids,
            incumbent.earlier,
        ),
    )


def _nights(warehouse: Warehouse) -> list[tuple[int, int, int, float]]:
    """Rows, bytes, deliveries and seconds of the last nights, the latest first."""
    return warehouse.query(statement("nights_so_far"), {"most": _NIGHTS}).rows()


def _churn(warehouse: Warehouse, settings: Settings, incumbent: Incumbent, mode: str) -> dict[str, int | None]:
    """Items expected to be new, moved and gone; ``renamed``: whose SID will be of other codes, kept or not."""
    n_open = open_rows(incumbent.history).height
    if mode in ("learn", "rebuild"):
        return {"new": None, "moved_at_most": n_open, "closed": None, "renamed": n_open}
    means = warehouse.query(statement("mean_churn"), {"most": _NIGHTS}).row(0)
    most = max(1, int(settings.sids.churn_budget * n_open))
    return {"new": means[0], "moved_at_most": most, "closed": means[1], "renamed": 0}
