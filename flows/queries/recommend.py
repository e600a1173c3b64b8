"""`hsrl recommend`, and the class that answers for a service: rank what is given, recommend from the whole catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import torch

from flows.queries.rank_requests import Raw
from flows.queries.service import Service, open_service
from hsrl_train.learner.decoding import left_out
from hsrl_train.serving.ranker import Ranked, Request
from pipeline.errors import ConfigError, WarehouseError
from pipeline.sids.trie import Trie
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.statements import statement
from pipeline.warehouse.warehouse import Warehouse

ENGINE_MB = 2_000
_TRIES = 5  # a release that is published while a policy is loaded makes it begin again

Asked = int | str


@dataclass(frozen=True)
class Recommender:
    """The published policy of a release over its whole catalogue. Ids are those of the raw log, texts or whole numbers.

    Attributes:
        service: everything that answering takes.
        trie: the Semantic IDs of what may be shown; ``item_rows`` are rows of ``service.ranker.policy.index.items``.
        histories: the newest likes of known users, oldest first, by user id.
    """

    service: Service
    trie: Trie
    histories: dict[int, list[int]]

    @classmethod
    def over(cls, service: Service, histories: dict[int, list[int]]) -> "Recommender":
        """A recommender over a service that is open."""
        policy = service.ranker.policy
        tokens = policy.tokens[policy.index.items].numpy().astype(np.uint16)
        in_turn = np.arange(len(tokens), dtype=np.uint32)
        return cls(service, Trie.of(tokens, in_turn, service.ranker.sids.vocabulary), histories)

    def request(
        self, user: Asked | None = None, history: Sequence[Asked] | None = None, candidates: Sequence[Asked] = ()
    ) -> Request:
        """A request in the warehouse's numbers.

        Args:
            user: whose profile counts; None, or one that the release does not know: by history alone.
            history: liked items, oldest first; None: those that the release knows of the user.
            candidates: to rank; none for ``recommend``.

        Raises:
            ValueError: an id is unknown or of a wrong kind, or there is neither a history nor a known user.
        """
        number = self.service.users.number(user) if user is not None else None
        if history is None:
            if number is None:
                raise ValueError(f"user {user!r:.80} is unknown to release {self.service.release_id}, and no history is given")
            liked = self.histories.get(number, [])
            return Request(liked, self.service.items.numbers(list(candidates), "candidates"), self.service.profile(number))
        if not candidates:
            return Request(self.service.items.numbers(list(history), "history"), (), self.service.profile(number))
        return self.service.request(Raw(0, 1, {"history": list(history), "candidates": list(candidates), "user_id": user}))

    def rank(self, requests: Sequence[Request]) -> list[Ranked]:
        """The candidates of each request, best first; see ``Ranker.rank``."""
        return self.service.ranker.rank(requests)

    @torch.no_grad()
    def recommend(self, requests: Sequence[Request], k: int, seed: int = 0) -> list[Ranked]:
        """The k items of the whole catalogue that the policy would show next, best first.

        A beam over the prefix tree finds the best Semantic IDs; the items behind them come by their share of its probability and in
        their turn, and what the policy leaves out is left out, as in its own decoding: the scores are those of ``Ranker.recommend``,
        which looks at every Semantic ID.

        Args:
            requests: of b users; their candidates are not looked at.
            k: from 1.
            seed: of the choice within a Semantic ID, where ``within_sid`` is ``uniform``.

        Raises:
            TrainingError: fewer than k items may be shown, or a request does not fit.
            ValueError: k is below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}, expected at least 1")
        if not requests:
            return []
        ranker = self.service.ranker
        policy, state = ranker.policy, ranker.states(requests)
        index = policy.index
        index.require(k)
        if policy.config.decoding.within_sid == "uniform":
            index = index.shuffled(torch.Generator().manual_seed(seed))
        log_probs = policy.log_probs(state).numpy()
        out = left_out(state, policy.config.decoding)
        turns = index.items.numpy()
        answers = []
        for row, scores in enumerate(log_probs):
            barred = {int(item) for item in out[row]} - {0} if out is not None else set()
            found = self._filled(scores, k, turns, barred)
            # too little is left to show: the policy's own decoding says which of the barred come after all
            answers.append(found or ranker.recommend([requests[row]], k, seed)[0])
        return answers

    def _filled(self, scores: npt.NDArray[np.float32], k: int, turns: npt.NDArray[np.int64], barred: set[int]) -> Ranked | None:
        """A slate without what is barred; None where there are too few others.

        No item scores above its Semantic ID, so that none of a leaf that was not looked at can stand before one that scores as the last
        leaf does.
        """
        ranker, n = self.service.ranker, k + len(barred)
        while True:
            best = self.trie.best(scores, n)
            rows = [self.trie.items(leaf) for leaf in best.leaves.tolist()]
            items = turns[np.concatenate(rows)]
            of_item = np.repeat(best.scores, [len(behind) for behind in rows]) + ranker.log_share[items]
            is_free = ~np.isin(items, list(barred))
            items, of_item = items[is_free], of_item[is_free]
            order = np.argsort(-of_item, kind="stable")[:k]
            is_all = n >= self.trie.n_leaves
            if len(order) == k and (is_all or of_item[order[-1]] >= best.scores[-1]):
                return Ranked(ranker.item_ids[items[order] - 1], of_item[order])
            if is_all:
                return None
            n *= 4

    def raw_ids_of(self, ranked: Ranked) -> list[str]:
        """The items of an answer as the raw log spells them."""
        rows = np.searchsorted(self.service.ranker.item_ids, ranked.item_ids)
        spelled: list[str] = self.service.raw_ids.take(pa.array(rows)).to_pylist()
        return spelled

    def table(self, ranked: Ranked) -> pl.DataFrame:
        """place (from 1), item_id, raw_id and score of an answer; a score of what may not be shown is null."""
        scores = pl.Series(ranked.scores).replace(-np.inf, None)
        columns = {"item_id": ranked.item_ids, "raw_id": self.raw_ids_of(ranked), "score": scores}
        return pl.DataFrame(columns).with_row_index("place", offset=1)


def newest_release(root: Path) -> int | None:
    """The newest release that readers see; None before the first."""
    with Warehouse.open_copy(root) as warehouse:
        newest: int | None = warehouse.query("SELECT max(release_id) FROM releases").item()
    return newest


def open_recommender(root: Path, memory_limit_mb: int = ENGINE_MB, users: Sequence[Asked] | None = None) -> Recommender:
    """Load the newest release's policy, Semantic IDs and histories.

    Args:
        root: the warehouse.
        memory_limit_mb: of the SQL engine.
        users: whose histories are read, ids as in the raw log; None: everybody's.

    Raises:
        WarehouseError: see ``open_service``; or releases came faster than one could be read.
    """
    for _ in range(_TRIES):
        service = open_service(root, memory_limit_mb)
        with Warehouse.open_copy(root) as warehouse:
            if warehouse.query("SELECT max(release_id) FROM releases").item() != service.release_id:
                continue
            wanted = None if users is None else [number for user in users if (number := service.users.number(user)) is not None]
            bound = {"user_ids": wanted, "length": service.ranker.max_history}
            liked = warehouse.query(statement("liked_by_users"), bound)
        return Recommender.over(service, dict(liked.iter_rows()))
    raise WarehouseError(f"{root}: {_TRIES} releases came while it was read; ask again")


@naming_damage
def recommend_user(root: Path, user: str, k: int, history: Sequence[str] | None, memory_limit_mb: int) -> dict[str, Any]:
    """The slate of a user, with titles and Semantic IDs.

    Args:
        root: the warehouse.
        user: id as in the raw log.
        k: how many items.
        history: liked items as in the raw log, in place of those that the release knows.
        memory_limit_mb: of the SQL engine.

    Raises:
        ConfigError: the user or an item is unknown.
        TrainingError: fewer than k items may be shown.
    """
    recommender = open_recommender(root, memory_limit_mb, [user])
    try:
        request = recommender.request(user, history)
        [ranked] = recommender.recommend([request], k)
    except ValueError as error:
        raise ConfigError(
            f'recommend: {error}; name likes with --history, or see users: hsrl sql "from users limit 5"'
        ) from error
    table = recommender.table(ranked)
    with Warehouse.open_copy(root) as warehouse:
        named = warehouse.query("SELECT item_id, sid, title FROM sids")
    rows = table.join(named, on="item_id", how="left", maintain_order="left").select("place", "raw_id", "title", "sid", "score")
    return {
        "user": user,
        "is_known": recommender.service.users.number(user) is not None,
        "history": len(request.history),
        "policy_id": recommender.service.policy_id,
        "release_id": recommender.service.release_id,
        "items": rows.to_dicts(),
    }
