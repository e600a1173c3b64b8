"""The search for what is new: deliveries of raw logs, and files of external vectors."""

from dataclasses import dataclass

from flows.refresh.external_vectors import ExternalFiles, find_external_files
from flows.refresh.new_deliveries import Again, Days, NewDelivery, new_deliveries
from flows.refresh.raw_hashes import RawHashes
from flows.stores.incumbent import KnownFiles, current_codebook, known_files
from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.ingest.source import Source
from pipeline.warehouse.artifacts import bytes_of
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Search:
    """Where a refresh looks, and for what.

    Attributes:
        source: lists the deliveries.
        days: only deliveries of these days.
        settle_hours: a file that changed in so many last hours may still be written.
        embeddings: the section that names the files of external vectors.
        again: which deliveries are taken in again.
    """

    source: Source
    days: Days
    settle_hours: float
    embeddings: EmbeddingsConfig
    again: Again | None = None

    def run(self, warehouse: Warehouse | None, *, rebuild: bool = False) -> "Arrivals":
        """Look for files.

        Args:
            warehouse: None before the first refresh.
            rebuild: whether a new codebook is to be learned, which takes any vectors.

        Raises:
            ConfigError: days are asked for, but the deliveries are no days; or there are no usable external vectors.
            SourceError: a file is missing or may not be read.
        """
        known = known_files(warehouse) if warehouse else KnownFiles()
        codebook = current_codebook(warehouse) if warehouse and not rebuild else None
        hashes = RawHashes(warehouse.root if warehouse else None)
        return Arrivals(
            new_deliveries(self.source, known, self.days, hashes, self.settle_hours, self.again),
            find_external_files(self.embeddings, warehouse, codebook),
            hashes,
        )


@dataclass(frozen=True)
class Arrivals:
    """What was found.

    Attributes:
        deliveries: that the warehouse has not taken in, oldest first.
        external: the files of external vectors, new or not; None where the settings ask for none.
        hashes: of the raw files, for the writer to save.
    """

    deliveries: list[NewDelivery]
    external: ExternalFiles | None
    hashes: RawHashes

    @property
    def has_new_vectors(self) -> bool:
        """Whether there are external vectors that the last release was not made from."""
        return self.external is not None and self.external.is_new

    @property
    def n_bytes(self) -> int:
        """Bytes of the files of the deliveries."""
        return sum(bytes_of(file) for delivery in self.deliveries for file in delivery.delivery.files)
