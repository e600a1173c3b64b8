"""The settings that decide Semantic IDs, as the steps that make them take them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hsrl_train.simulator.config import SimulatorConfig
from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.records.config import RecordsConfig
from pipeline.sids.config import SidsConfig

if TYPE_CHECKING:
    from flows.runtime.workers import Workers  # which brings torch


@dataclass(frozen=True)
class SidSettings:
    """The settings that decide Semantic IDs.

    Attributes:
        seed: of a codebook that is learned.
        embeddings, sids, records: sections.
        n_buckets: of users; positives are read a bucket at a time.
        simulator: of the simulators that score-aware codes take their space from.
        workers: that fit these; see ``run_parallel``.
        newest_records: records that these are fitted on; None = all.
    """

    seed: int
    embeddings: EmbeddingsConfig
    sids: SidsConfig
    records: RecordsConfig
    n_buckets: int
    simulator: SimulatorConfig
    workers: "Workers"
    newest_records: int | None = None
