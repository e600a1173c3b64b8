"""What `hsrl refresh --dry-run` expects: mode, rows, time and churn, from the last release and the nights before it."""

from dataclasses import dataclass
from statistics import median
from typing import Any

from flows.refresh.external_vectors import ExternalFiles, read_external_vectors
from flows.refresh.search import Arrivals
from flows.stores.incumbent import Incumbent
from flows.stores.models import load_models
from pipeline.contracts import open_rows
from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.embeddings.embed import embed
from pipeline.sids.config import SidsConfig
from pipeline.sids.drift import drift
from pipeline.sids.nightly import mode_of
from pipeline.warehouse.statements import statement
from pipeline.warehouse.warehouse import Warehouse

_NIGHTS = 7  # that the forecast looks back on


@dataclass(frozen=True)
class Coming:
    """What the refresh to come would take in: what was found, and deliveries whose files are not written yet."""

    found: Arrivals
    n_unwritten: int


def forecast(
    warehouse: Warehouse, incumbent: Incumbent, coming: Coming, embeddings: EmbeddingsConfig, sids: SidsConfig
) -> dict[str, Any]:
    """Mode and why, rows, seconds and expected churn of the refresh to come.

    Drift is that of the last release's vectors: tonight's evidence is not read, but for a file of vectors that alone says where items
    are. Vectors of another width need the mode ``rebuild``, which is never begun by itself. Rows come from the bytes of the files, time
    from the nights before; both are None without a night to compare with. A delivery that is not written yet counts as a usual one.

    Args:
        warehouse: the readers' copy.
        incumbent: the last release.
        coming: what would be taken in.
        embeddings: its section.
        sids: its section.
    """
    mode, why = _mode(warehouse, incumbent, coming.found.external, embeddings, sids)
    nights, rows, seconds = _nights(warehouse), None, None
    if nights:
        rows_per_byte = sum(n_rows for n_rows, _, _, _ in nights) / sum(size for _, size, _, _ in nights)
        usual = median(n_rows / n_deliveries for n_rows, _, n_deliveries, _ in nights)
        rows = round(coming.found.n_bytes * rows_per_byte + coming.n_unwritten * usual)
        pace = median(took / n_rows for n_rows, _, _, took in nights)
        seconds = round(max(min(took for _, _, _, took in nights), rows * pace), 1)
    churn = _churn(warehouse, open_rows(incumbent.sids.history).height, mode, sids.churn_budget)
    return {"mode": mode, "why": list(why), "rows": rows, "seconds": seconds, "churn": churn}


def _mode(
    warehouse: Warehouse,
    incumbent: Incumbent,
    external: ExternalFiles | None,
    embeddings: EmbeddingsConfig,
    sids: SidsConfig,
) -> tuple[str, tuple[str, ...]]:
    codebook = incumbent.sids.codebook
    if codebook is None or not incumbent.files.embeddings:
        return mode_of(sids, None)
    if external is not None and external.misfit:
        return "rebuild", (f"{external.misfit}: refused without --rebuild",)
    before = incumbent.with_vectors()
    vectors = before.embeddings
    models = load_models(warehouse.artifacts, codebook.embedding_id)
    if external is not None and external.is_new and models.takes_external:
        given, _ = read_external_vectors(embeddings, external, incumbent.tables.items)
        vectors = embed(models.items, incumbent.tables.items, (), given)
    return mode_of(sids, drift(vectors, codebook, before.history, before.same_numbering_ids, before.earlier, before.explained))


def _nights(warehouse: Warehouse) -> list[tuple[int, int, int, float]]:
    """Rows, bytes, deliveries and seconds of the last nights, the latest first."""
    return warehouse.query(statement("nights_so_far"), {"most": _NIGHTS}).rows()


def _churn(warehouse: Warehouse, n_open: int, mode: str, churn_budget: float) -> dict[str, int | None]:
    """Items expected to be new, moved and gone; ``renamed``: whose SID will be of other codes, kept or not."""
    if mode in ("learn", "rebuild"):
        return {"new": None, "moved_at_most": n_open, "closed": None, "renamed": n_open}
    n_new, n_closed = warehouse.query(statement("mean_churn"), {"most": _NIGHTS}).row(0)
    return {"new": n_new, "moved_at_most": max(1, int(churn_budget * n_open)), "closed": n_closed, "renamed": 0}
