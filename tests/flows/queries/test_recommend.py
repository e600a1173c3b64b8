"""Recommending from the whole catalogue: the slates of the policy's own decoding, found by a beam."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from flows.queries import recommend
from flows.queries.recommend import Recommender, open_recommender
from flows.queries.service import open_published
from hsrl_train.data.world import Catalogue
from hsrl_train.serving.ranker import Ranker
from pipeline.errors import WarehouseError
from tests.flows.conftest import World

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recommender(retrained: World) -> Recommender:
    return open_recommender(retrained.root, 384)


def decoding(recommender: Recommender, catalogue: Catalogue, **changes: Any) -> Recommender:
    """The same policy under other rules of what is shown."""
    ranker = recommender.service.ranker
    config = ranker.policy.config.changed({"decoding": changes})
    policy = type(ranker.policy).from_tensors(ranker.policy.to_tensors(), config, catalogue)
    service = replace(recommender.service, ranker=Ranker(policy, catalogue, ranker.profile_width))
    return Recommender.over(service, recommender.histories)


RULES: Sequence[dict[str, Any]] = (
    {"leaves_out_seen": True},
    {"leaves_out_seen": False},
    {"within_sid": "uniform", "sid_share": "whole"},
    {"sid_share": "popularity", "leaves_out_seen": False},
    {"sid_share": "popularity", "leaves_out_seen": True},
    {"sid_share": "equal", "leaves_out_seen": True},
)


@pytest.mark.parametrize("changes", RULES, ids=str)
@pytest.mark.parametrize("k", [1, 5, 40, 62])
def test_the_slates_are_those_of_looking_at_every_sid(
    recommender: Recommender, retrained: World, k: int, changes: dict[str, Any]
) -> None:
    """62 items may be shown: a slate of all of them takes in what was seen, at its end. Some share their Semantic ID."""
    catalogue = open_published(retrained.root, 384).catalogue
    other = decoding(recommender, catalogue, **changes)
    assert other.trie.n_leaves < 62
    requests = [other.request(raw) for raw in ("1", "2", "3")] + [other.request(history=[])]
    found, expected = other.recommend(requests, k), other.service.ranker.recommend(requests, k)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.scores.tolist() == pytest.approx(theirs.scores.tolist(), abs=1e-6)
        assert len(set(ours.item_ids.tolist())) == k
        if changes.get("within_sid") != "uniform":
            assert set(ours.item_ids[ours.scores > ours.scores[-1]]) == set(theirs.item_ids[theirs.scores > theirs.scores[-1]])


def test_a_known_user_is_known_by_what_he_liked(recommender: Recommender, retrained: World) -> None:
    liked = retrained.ask("SELECT item_id FROM events WHERE user_id = 3 AND feedback = 1 ORDER BY user_seq")["item_id"].to_list()
    request = recommender.request("3")
    assert list(request.history) == liked[-recommender.service.ranker.max_history :] and len(liked) > 3
    assert request.profile is not None and recommender.request("3", []).history == []


def test_recommend_and_rank_agree(recommender: Recommender) -> None:
    """The best of the slate, ranked as candidates, come in the same scores."""
    slate = recommender.recommend([recommender.request("3")], 5)[0]
    [ranked] = recommender.rank([replace(recommender.request("3"), candidates=slate.item_ids.tolist())])
    assert ranked.scores.tolist() == pytest.approx(slate.scores.tolist(), abs=1e-5)


def test_the_command_tells_the_slate(retrained: World, hsrl: Callable[..., Any]) -> None:
    where = ("--warehouse", retrained.root)
    report = json.loads(hsrl("recommend", "3", "--k", 4, *where, "--json").out)
    assert [row["place"] for row in report["items"]] == [1, 2, 3, 4] and report["is_known"]
    sids = dict(retrained.ask("SELECT raw_id, sid FROM sids").iter_rows())
    assert [row["sid"] for row in report["items"]] == [sids[row["raw_id"]] for row in report["items"]]
    ran = hsrl("recommend", "a stranger", "--history", "3", "--history", "5", *where)
    assert ran.code == 0 and "does not know this user: by history alone" in ran.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nobody",), "user 'nobody' is unknown to release 2, and no history is given"),
        (("3", "--history", "no such"), '1 of 1 items in its history are unknown, such as "no such"'),
        (("3", "--k", "4000"), "62 active items have a SID, expected at least the slate's 4000"),
        (("3", "--k", "0"), "see: hsrl recommend --help"),
    ],
)
def test_what_cannot_be_answered_is_one_line(retrained: World, hsrl: Callable[..., Any], words: tuple, message: str) -> None:
    ran = hsrl("recommend", *words, "--warehouse", retrained.root)
    assert ran.code == 2 and message in ran.err and ran.err.count("\n") == 1


def test_without_a_policy_it_says_so(refreshed: World, hsrl: Callable[..., Any]) -> None:
    assert "no policy is published" in hsrl("recommend", "3", "--warehouse", refreshed.root).err


def test_policy_and_likes_are_of_one_release(retrained: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that comes between the two makes it begin again; when they never agree it gives up."""
    opened = recommend.open_service(retrained.root, 384)
    seen = iter([replace(opened, release_id=1), opened])
    monkeypatch.setattr(recommend, "open_service", lambda *_: next(seen))
    assert open_recommender(retrained.root, 384).service.release_id == 2
    monkeypatch.setattr(recommend, "open_service", lambda *_: replace(opened, release_id=1))
    with pytest.raises(WarehouseError, match="releases came while it was read"):
        open_recommender(retrained.root, 384)
