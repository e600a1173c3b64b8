"""People's own answers: AUC and NDCG by hand, users drawn whole, paired differences."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float, Int
from sklearn.metrics import ndcg_score, roc_auc_score
from torch import Tensor

from hsrl_train.data.tensors import with_log
from hsrl_train.data.world import Records, State
from hsrl_train.evaluation.baselines import ItemScores
from hsrl_train.evaluation.real_answers import AUC, NDCG, NDCG_LATER, auc_in_slates, judge_real_answers, mean_of, ndcg, paired
from pipeline.errors import TrainingError


def records(users: list[int], slates: list[list[int]], feedback: list[list[int]]) -> Records:
    made = Records.of(
        user=torch.tensor(users),
        exposed=torch.tensor(slates),
        feedback=torch.tensor(feedback, dtype=torch.float32),
        history=torch.zeros(len(users), 1, dtype=torch.int64),
        is_train=torch.zeros(len(users), dtype=torch.bool),
        profiles=torch.zeros(max(users) + 1, 0),
    )
    return with_log(made)


# Two users: 0 has two slates, 1 has one. By item number descending, 0's first slate is ranked right, his second wrong.
TEST = records([0, 0, 1], [[3, 2, 1], [3, 2, 1], [1, 2, 3]], [[1, 0, 0], [0, 0, 1], [0, 1, 1]])
BY_NUMBER = ItemScores(torch.arange(4.0))


def test_auc_in_the_slate_is_the_mean_over_slates() -> None:
    """Right, wrong and right: 1, 0 and 1."""
    assert auc_in_slates(np.array([[3.0, 2, 1], [3, 2, 1], [1, 2, 3]]), TEST.feedback.numpy()).tolist() == [1, 0, 1]
    assert judge_real_answers("x", BY_NUMBER, TEST, 0).interval(AUC).mean == pytest.approx(2 / 3)


def test_ndcg_of_a_slate_by_hand() -> None:
    """The like stands third in the second slate: 1 / log2(4) = .5 of the best order's 1."""
    found = judge_real_answers("x", BY_NUMBER, TEST, 0)
    assert found.interval(NDCG).mean == pytest.approx((1 + 0.5 + 1) / 3)


def test_later_items_are_those_of_all_test_slates_of_a_user() -> None:
    """User 0 was shown 3, 2, 1 twice: equal scores share their places, so that a like of either 3 and of either 1 counts half of both."""
    discount = 1 / np.log2(np.arange(2, 8))
    gained = discount[:2].mean() + discount[4:].mean()
    best = discount[:2].sum()
    found = judge_real_answers("x", BY_NUMBER, TEST, 0)
    assert found.interval(NDCG_LATER).mean == pytest.approx((gained / best + 1) / 2)
    assert (found.n_users(NDCG_LATER), found.n_users(AUC), found.n_slates) == (2, 2, 3)


@given(st.integers(0, 2**32 - 1))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, liked = rng.integers(0, 4, (1, 12)).astype(float), (rng.random((1, 12)) < 0.4).astype(float)
    if 0 < liked.sum() < 12:
        assert auc_in_slates(scores, liked)[0] == pytest.approx(roc_auc_score(liked[0], scores[0]))
        assert ndcg(scores, liked)[0] == pytest.approx(ndcg_score(liked, scores, k=10))


def test_slates_that_cannot_tell_are_left_out() -> None:
    alike = records([0, 1, 2], [[1, 2], [1, 2], [2, 1]], [[1, 1], [0, 1], [0, 1]])
    found = judge_real_answers("x", ItemScores(torch.arange(3.0)), alike, 0)
    assert found.n_users(AUC) == 2
    assert found.interval(AUC).mean == pytest.approx(0.5)


def test_the_interval_is_over_users_not_slates() -> None:
    """A hundred slates of a user that all say the same are no more evidence than one: half the users are always right."""
    users = [user for user in range(20) for _ in range(50)]
    liked = [[user % 2, 1 - user % 2] for user in users]
    found = judge_real_answers("x", ItemScores(torch.tensor([0.0, 2.0, 1.0])), records(users, [[1, 2]] * 1000, liked), 0)
    interval = found.interval(AUC)
    assert interval.mean == pytest.approx(0.5)
    assert interval.high - interval.low == pytest.approx(2 * 2.093 * np.sqrt(20 / 19 * 0.25 / 20), rel=1e-3)  # t of 19 degrees


def test_a_pair_is_compared_user_by_user() -> None:
    good, bad = (judge_real_answers("x", scorer, TEST, 0) for scorer in (BY_NUMBER, ItemScores(-torch.arange(4.0))))
    difference = paired(good, bad, AUC)
    assert difference.mean == pytest.approx(1 / 3)
    assert paired(good, good, NDCG).high == 0


def test_seeds_of_one_method_are_their_mean() -> None:
    good, bad = (judge_real_answers("x", scorer, TEST, 0) for scorer in (BY_NUMBER, ItemScores(-torch.arange(4.0))))
    assert mean_of([good, bad]).interval(AUC).mean == pytest.approx(0.5)


class Remembers:
    """Scores an item by how often the state remembers it as shown and liked."""

    def scores(self, state: State, items: Int[Tensor, "b j"]) -> Float[Tensor, "b j"]:
        assert state.recent is not None
        return (items[:, :, None] == state.recent[:, None]).sum(dim=2).float()


def test_a_slate_is_scored_from_the_state_before_it() -> None:
    """Whoever repeats his answers is foretold from his first slate on, which nothing foretells."""
    twice = records([0, 0, 1, 1], [[1, 2], [1, 2], [2, 1], [2, 1]], [[1, 0]] * 4)
    found = judge_real_answers("x", Remembers(), twice, 4)
    assert found.interval(AUC).mean == pytest.approx((0.5 + 1 + 0.5 + 1) / 4)


def test_no_test_slate_is_one_line() -> None:
    with pytest.raises(TrainingError, match="0 records of the test split"):
        judge_real_answers("x", BY_NUMBER, TEST.select(torch.zeros(3, dtype=torch.bool)), 0)


def test_slates_of_one_item_tell_no_order_and_stop_nothing() -> None:
    """K = 1: no slate holds both answers, so that AUC is told by nobody; a user's later items still have an order."""
    single = records([0, 0, 1, 1], [[1], [2], [1], [2]], [[1], [0], [0], [1]])
    found = judge_real_answers("x", ItemScores(torch.arange(3.0)), single, 0)
    assert found.interval(AUC) is None
    assert paired(found, found, AUC) is None
    assert found.n_users(NDCG_LATER) == 2
