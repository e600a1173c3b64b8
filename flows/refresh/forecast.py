"""What `hsrl refresh --dry-run` foretells: mode, rows, time and churn, from the last release and the nights before it."""

from statistics import median
from typing import Any

import polars as pl

from flows.refresh.brought import Brought, read_brought
from flows.runtime.settings import Settings
from flows.stores.incumbent import Incumbent
from flows.stores.models import load_models, of_codebook
from pipeline.contracts import EMBEDDINGS, open_rows
from pipeline.embeddings.embed import embed
from pipeline.sids.drift import drift
from pipeline.sids.nightly import mode_of
from pipeline.warehouse.warehouse import Warehouse

_NIGHTS = 7  # that the forecast looks back on


def forecast(
    warehouse: Warehouse,
    settings: Settings,
    incumbent: Incumbent,
    n_bytes: int,
    n_unwritten: int,
    brought: Brought | None = None,
) -> dict[str, Any]:
    """Mode and why, rows, seconds and expected churn of the refresh to come.

    Drift is that of the last release's vectors: tonight's evidence is not read, but for a file of vectors that alone tells where items
    lie. Vectors of another width need the mode ``rebuild``, which is never begun by itself. Rows come from the bytes of the files, time
    from the nights before; both are None without a night to compare with. A delivery that is not written yet counts as a usual one.
    """
    mode, why = _mode(warehouse, settings, incumbent, brought)
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


def _mode(warehouse: Warehouse, settings: Settings, incumbent: Incumbent, brought: Brought | None) -> tuple[str, tuple[str, ...]]:
    if incumbent.codebook is None or not incumbent.embeddings:
        return mode_of(settings.sids, None)
    if brought is not None and brought.misfit:
        return "rebuild", (f"{brought.misfit}: refused without --rebuild",)
    embeddings = of_codebook(pl.read_parquet(incumbent.embeddings), incumbent.codebook.embedding_id)
    models = load_models(warehouse.artifacts, incumbent.codebook.embedding_id)
    if brought is not None and brought.is_new and models.takes_brought:
        external, _ = read_brought(settings, brought, incumbent.items)
        embeddings = embed(models.items, incumbent.items, (), external)
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
    return warehouse.query(
        "WITH taken AS (SELECT release_id, sum(n_rows)::BIGINT AS n_rows, count(ingest_id) AS n FROM ingests GROUP BY 1), "
        "weighed AS (SELECT release_id, sum(bytes)::BIGINT AS bytes FROM ingests JOIN ingest_files USING (ingest_id) GROUP BY 1) "
        "SELECT n_rows, bytes, n, epoch(finished_at - started_at) AS seconds FROM taken JOIN weighed USING (release_id) "
        "JOIN runs USING (release_id) WHERE finished_at IS NOT NULL AND n_rows > 0 AND bytes > 0 "
        f"ORDER BY release_id DESC LIMIT {_NIGHTS}"
    ).rows()


def _churn(warehouse: Warehouse, settings: Settings, incumbent: Incumbent, mode: str) -> dict[str, int | None]:
    """Items expected to be new, moved and gone; ``renamed``: whose SID will be of other codes, kept or not."""
    n_open = open_rows(incumbent.history).height
    if mode in ("learn", "rebuild"):
        return {"new": None, "moved_at_most": n_open, "closed": None, "renamed": n_open}
    means = warehouse.query(
        "WITH nights AS (SELECT release_id, sum(n_new) AS n_new, sum(n_closed) AS n_closed FROM sid_churn "
        f"WHERE release_id > 1 GROUP BY 1 ORDER BY 1 DESC LIMIT {_NIGHTS}) "
        "SELECT round(avg(n_new))::BIGINT, round(avg(n_closed))::BIGINT FROM nights"
    ).row(0)
    most = max(1, int(settings.sids.churn_budget * n_open))
    return {"new": means[0], "moved_at_most": most, "closed": means[1], "renamed": 0}
