"""Ranking candidates: scores by hand, order, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hsrl_train.data.world import Catalogue
from hsrl_train.learner.decoding import SidIndex, SidShare
from hsrl_train.learner.policy import HsrlNetwork, HsrlPolicy
from hsrl_train.serving.ranker import PackedSids, Ranker, Request
from pipeline.errors import TrainingError
from tests.support.learner import learner_config

# Ids 10, 20, 30, 40, 50; 40 has no SID and 50 is inactive.
CATALOGUE = Catalogue(
    item_ids=np.array([10, 20, 30, 40, 50]),
    vectors=torch.arange(12.0).view(6, 2) / 10,
    tokens=torch.tensor([[-1, -1], [0, 0], [0, 1], [1, 0], [-1, -1], [1, 1]]),
    vocabulary=(2, 3),
    is_active=torch.tensor([False, True, True, True, True, False]),
    popularity=torch.zeros(6),
)


@pytest.fixture
def ranker() -> Ranker:
    config = learner_config(width=4, n_heads=2, critic_hidden=(8,))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = HsrlNetwork(config.network, item_width=2, profile_width=1, max_history=3, vocabulary=(2, 3))
    policy = HsrlPolicy(network, CATALOGUE.vectors, SidIndex.of(CATALOGUE), CATALOGUE.tokens, config)
    return Ranker(policy, CATALOGUE, profile_width=1)


def test_a_score_is_the_product_of_its_tokens_probabilities() -> None:
    """π(z1) = (.8, .2), π(z2) = (.7, .2, .1): tokens (1, 2) give .02, (0, 0) give .56."""
    sids = PackedSids(np.array([[-1, -1], [1, 2], [0, 0]]), (2, 3))
    log_probs = np.log(np.array([[0.8, 0.2, 0.7, 0.2, 0.1]], np.float32))
    assert np.exp(sids.scores(log_probs, np.array([[1, 2]])))[0].tolist() == pytest.approx([0.02, 0.56])


@pytest.mark.parametrize("vocabulary", [(64, 64, 64), (256, 256, 256), (1000, 7, 65_536, 3), (65_536, 65_536, 65_536)])
def test_packed_scores_equal_look_ups(vocabulary: tuple[int, ...]) -> None:
    """For levels of any size, in 32 or 64 bits."""
    random = np.random.default_rng(0)
    tokens = np.stack([random.integers(0, n, 50) for n in vocabulary], axis=1)
    log_probs = random.standard_normal((4, sum(vocabulary))).astype(np.float32)
    items = random.integers(0, 50, (4, 20))
    columns = tokens[items] + np.cumsum([0, *vocabulary[:-1]])
    wanted = np.take_along_axis(log_probs[:, None], columns, axis=2).sum(axis=2)
    assert np.allclose(PackedSids(tokens, vocabulary).scores(log_probs, items), wanted, atol=1e-5)


def test_a_million_items_take_a_few_megabytes() -> None:
    assert PackedSids(np.zeros((1_000_001, 3), np.int64), (256, 256, 256)).packed.nbytes < 5_000_000


def test_the_best_candidate_stands_first_and_what_may_not_be_shown_last(ranker: Ranker) -> None:
    (ranked,) = ranker.rank([Request([10, 20], [50, 10, 40, 20, 30])])
    assert set(ranked.item_ids[:3].tolist()) == {10, 20, 30}
    assert ranked.item_ids[3:].tolist() == [50, 40]
    assert (np.diff(ranked.scores[:3]) <= 0).all() and np.isneginf(ranked.scores[3:]).all()


def test_companions_in_the_batch_change_nothing(ranker: Ranker) -> None:
    requests = [Request([], [10, 20, 30]), Request([10, 20, 30, 10], [30], np.ones(1, np.float32)), Request([30], [20, 10])]
    for alone, together in zip(requests, ranker.rank(requests), strict=True):
        (one,) = ranker.rank([alone])
        assert one.item_ids.tolist() == together.item_ids.tolist()
        assert np.allclose(one.scores, together.scores, atol=1e-6)


def test_it_ranks_as_the_policy_shows(ranker: Ranker) -> None:
    slate = ranker.policy.slates(ranker.states([Request([20], [10])]), 3, torch.Generator())[0]
    (ranked,) = ranker.rank([Request([20], [10, 20, 30])])
    assert ranked.item_ids.tolist() == CATALOGUE.item_ids[slate.numpy() - 1].tolist()


def test_a_shared_sid_gives_each_candidate_its_part() -> None:
    """Items 10 and 20 share a SID with 0 and 2 likes: they have a quarter and three of its probability, which 30 has of its own."""
    shared = replace(CATALOGUE, tokens=CATALOGUE.tokens.index_copy(0, torch.tensor([2]), torch.tensor([[0, 0]])))
    catalogue = replace(shared, popularity=torch.tensor([0.0, 0, 2, 7, 0, 0]))
    config = learner_config(width=4, n_heads=2, critic_hidden=(8,))
    network = HsrlNetwork(config.network, item_width=2, profile_width=1, max_history=3, vocabulary=(2, 3))

    def scored(share: SidShare) -> dict[int, float]:
        index = SidIndex.of(catalogue, share=share)
        asked = Ranker(HsrlPolicy(network, catalogue.vectors, index, catalogue.tokens, config), catalogue, profile_width=1)
        (ranked,) = asked.rank([Request([10], [10, 20, 30, 40])])
        return dict(zip(ranked.item_ids.tolist(), np.exp(ranked.scores).tolist(), strict=True))

    whole, shares = scored("whole"), scored("popularity")
    assert [shares[item] / whole[item] for item in (10, 20, 30)] == pytest.approx([1 / 4, 3 / 4, 1])
    assert shares[40] == 0


def test_only_the_newest_of_a_long_history_count(ranker: Ranker) -> None:
    long, short = ranker.rank([Request([30, 30, 10, 20, 10], [10, 20]), Request([10, 20, 10], [10, 20])])
    assert long.scores.tolist() == pytest.approx(short.scores.tolist())


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request([], []), "request 0 has 0 candidates"),
        (Request([], [10, 10]), "2 candidates, 1 of them different"),
        (Request([11], [10]), "1 of 1 items in the history of request 0 are unknown, such as 11"),
        (Request([], [10, 99]), "1 of 2 items in the candidates of request 0 are unknown, such as 99"),
        (Request([], [10], np.zeros(2, np.float32)), r"the profile of request 0 is \(2,\), expected \(1,\)"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused(ranker: Ranker, request_: Request, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        ranker.rank([request_])


def test_nothing_asked_is_nothing_answered(ranker: Ranker) -> None:
    assert ranker.rank([]) == []
