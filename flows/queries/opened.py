"""What the Python API opens: a warehouse to ask, its tokenizer and its published policy; `hsrl.py` names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flows.runtime.extras import needs
from pipeline.errors import ConfigError, ContractError, WarehouseError
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import polars as pl

    from flows.queries.encode_space import Space
    from flows.queries.recommend import Recommender
    from flows.queries.service import Service
    from pipeline.sids.codebook import Codebook

# Heavy libraries are imported by the method that needs them: asking SQL takes a fraction of what ranking does, and not the extra train.

_ENGINE_MB = 2_000


@dataclass(frozen=True)
class OpenedWarehouse:
    """A warehouse folder, for reading; each question is answered from the newest release, also while a refresh runs.

    Attributes:
        root: folder of the warehouse.
    """

    root: Path

    def sql(self, query: str, limits: Limits = DEFAULT_LIMITS) -> "pl.DataFrame":
        """The answer to one SELECT or EXPLAIN, as a Polars frame.

        Raises:
            QueryError: it is no such statement, it asks for what is not allowed, it is wrong, or it hit a limit.
        """
        return run_sql(self.root, query, limits=limits)

    def pandas(self, query: str, limits: Limits = DEFAULT_LIMITS) -> "pd.DataFrame":
        """The answer to one SELECT or EXPLAIN, as a pandas frame; needs the extra pandas.

        Raises:
            ConfigError: pandas is not installed.
            QueryError: see ``sql``.
        """
        if find_spec("pandas") is None:
            raise ConfigError(needs("OpenedWarehouse.pandas", "pandas"))
        return self.sql(query, limits).to_pandas()

    def curves(self, policy_id: str) -> "pl.DataFrame":
        """A policy's training: iteration, metric and value, in order."""
        _require_id(policy_id)
        return self.sql(
            f"SELECT iteration, metric, value FROM training_curves WHERE policy_id = '{policy_id}' ORDER BY metric, iteration"
        )

    def evaluations(self) -> "pl.DataFrame":
        """Every policy and reference row that was judged, newest release first; a row a simulator."""
        return self.sql("FROM evaluations ORDER BY release_id DESC, total_reward DESC, policy, simulator_id")

    def tokenizer(self) -> "Tokenizer":
        """The frozen codes of the newest release, with the way to their space.

        Raises:
            WarehouseError: no codebook is published.
        """
        from flows.queries.encode_space import Space
        from flows.stores.incumbent import current_codebook
        from flows.stores.models import load_models
        from pipeline.warehouse.warehouse import Warehouse

        with Warehouse.open_copy(self.root) as warehouse:
            codebook = current_codebook(warehouse)
            if codebook is None:
                raise WarehouseError(f"{self.root}: no codebook is published yet; make one with: hsrl refresh")
            models = load_models(warehouse.artifacts, codebook.embedding_id)
        return Tokenizer(codebook, Space(models, is_external=False, width=codebook.width, is_said=True))

    def policy(self, memory_limit_mb: int = _ENGINE_MB) -> "PublishedPolicy":
        """The published policy over the newest release's Semantic IDs; needs the extra train.

        Raises:
            WarehouseError: no policy is published, or what it takes is damaged.
        """
        from flows.queries.service import open_service

        return PublishedPolicy(open_service(self.root, memory_limit_mb))

    def recommender(self, memory_limit_mb: int = _ENGINE_MB) -> "Recommender":
        """The published policy with everybody's likes, as a service keeps it: ``rank`` and ``recommend`` for many users at once.

        Raises:
            WarehouseError: see ``policy``.
        """
        from flows.queries.recommend import open_recommender

        return open_recommender(self.root, memory_limit_mb)


@dataclass(frozen=True)
class Tokenizer:
    """Vectors to Semantic IDs, by the path that a refresh takes.

    Attributes:
        codebook: L levels of V_l codes of width d.
        space: in which the codes live.
    """

    codebook: "Codebook"
    space: "Space"

    def encode(self, vectors: "npt.NDArray[np.floating[Any]]", space: Literal["codes", "external"] = "codes") -> "pl.DataFrame":
        """The Semantic ID of each vector.

        Args:
            vectors: (n, d), finite.
            space: ``codes``: rows of ``embeddings`` with the codebook's ``embedding_id``; ``external``: vectors as
                ``embeddings.external_path`` has them, of any length.

        Returns:
            tokens, sid, sid_key, recon_error, is_ood, in the order of the vectors; a vector of zeros has none.

        Raises:
            ContractError: another width, values that are not finite, or codes that brought vectors do not reach.
        """
        from dataclasses import replace

        import numpy as np

        from flows.queries.encode import sids_of
        from pipeline.sids.encode import encode

        models, is_external = self.space.models, space == "external"
        if is_external and not models.takes_external:
            raise ContractError(
                f"encode: codes live in a space of {models.space} vectors, which external vectors do not reach by themselves; give "
                f"rows of embeddings with their embedding_id {models.embedding_id}"
            )
        width = (models.items.external_width or self.codebook.width) if is_external else self.codebook.width
        if vectors.ndim != 2 or vectors.shape[1] != width or not np.isfinite(vectors).all():
            raise ContractError(f"encode: vectors of shape {vectors.shape}, expected (n, {width}) of finite numbers")
        in_space = replace(self.space, is_external=is_external, width=width).to_codes(vectors)
        return sids_of(in_space, encode(in_space, self.codebook), self.codebook)


@dataclass(frozen=True)
class PublishedPolicy:
    """The policy that a release serves. Ids are those of the raw log, texts or whole numbers.

    Attributes:
        service: everything that answering takes.
    """

    service: "Service"

    @property
    def policy_id(self) -> str:
        """Of the table ``policies``."""
        return self.service.policy_id

    def rank(
        self, history: Sequence[int | str], candidates: Sequence[int | str], user: int | str | None = None
    ) -> "pl.DataFrame":
        """The candidates, best first.

        Args:
            history: items that the user liked, oldest first.
            candidates: items to rank, different ones.
            user: whose profile counts; None, or one that the release does not know: by history alone.

        Returns:
            place (from 1), item_id, raw_id, score: log of the product of the item's token probabilities; −inf for what may not be shown.

        Raises:
            ValueError: an item is unknown, a candidate stands twice, or there is none.
        """
        return self._table(self.service.ranker.rank([self._request(history, candidates, user)])[0])

    def recommend(self, history: Sequence[int | str], k: int = 10, user: int | str | None = None) -> "pl.DataFrame":
        """The k items that the policy would show next; arguments, columns and errors as those of ``rank``.

        Raises:
            TrainingError: fewer than k items may be shown.
        """
        request = self._request(history, history or self.service.ranker.item_ids[:1].tolist(), user)
        return self._table(self.service.ranker.recommend([request], k)[0])

    def _request(self, history: Sequence[int | str], candidates: Sequence[int | str], user: int | str | None) -> Any:
        from flows.queries.rank_requests import Raw

        cells = {"history": list(history), "candidates": list(candidates), "user_id": user}
        return self.service.request(Raw(0, 1, cells))

    def _table(self, ranked: Any) -> "pl.DataFrame":
        import numpy as np
        import polars as pl

        rows = np.searchsorted(self.service.ranker.item_ids, ranked.item_ids)
        raw_ids = [self.service.raw_ids[int(row)].as_py() for row in rows]
        columns = {"item_id": ranked.item_ids, "raw_id": raw_ids, "score": ranked.scores}
        return pl.DataFrame(columns).with_row_index("place", offset=1)


def open_warehouse(root: str | Path) -> OpenedWarehouse:
    """Open a warehouse folder for reading.

    Raises:
        WarehouseError: there is no warehouse.
    """
    opened = OpenedWarehouse(Path(root))
    opened.sql("SELECT 1")
    return opened


def _require_id(policy_id: str) -> None:
    """Refuse what is no id, before it stands in SQL."""
    if not (policy_id.isascii() and policy_id.isalnum()):
        raise ConfigError(f'{policy_id!r} is no id of a policy; see them with: hsrl sql "from policies"')
