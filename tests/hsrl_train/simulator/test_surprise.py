"""The evidence of answers, by hand."""

import pytest
import torch

from hsrl_train.data.tensors import with_log
from hsrl_train.data.world import Records, State
from hsrl_train.simulator.surprise import Evidence, gather_evidence, surprise_factors

# Two users, two slates of two: user 0 likes 1 and 3 and refuses 2 and 4, user 1 the other way about.
RECORDS = with_log(
    Records.of(
        torch.tensor([0, 0, 1, 1]),
        torch.tensor([[1, 2], [3, 4], [1, 2], [3, 4]]),
        torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]),
        torch.zeros(4, 1, dtype=torch.int64),
        torch.ones(4, dtype=torch.bool),
        torch.tensor([[1.0], [0.0]]),
    )
)
EVIDENCE = Evidence(torch.tensor([0.0, 0.5, 0.25, 0.5, 0.5]), torch.ones(5), torch.tensor([0.2]))


def state(*recent: int) -> State:
    return State(torch.tensor([[1.0]]), torch.tensor([[1, 2, 0]]), torch.tensor([recent], dtype=torch.int64))


def test_rates_are_drawn_towards_the_rate_of_all() -> None:
    """User 0 counts twice, so item 1 was liked 2 times of 3 and item 2 once of 3; all: 6 of 12. (2 + 2.5) / (3 + 5) = .5625."""
    evidence = gather_evidence(RECORDS, 5, torch.tensor([2.0, 1.0]))
    assert evidence.rate.tolist() == pytest.approx([0.5, 0.5625, 0.4375, 0.5625, 0.4375, 0.5])
    assert evidence.n_shown.tolist() == [0, 3, 3, 3, 3, 0]


def test_a_surprise_is_what_the_rate_did_not_foretell() -> None:
    assert EVIDENCE.surprises(state(1, -2, 4, 0)).tolist() == [[0.5, -0.25, 0.5, 0.0]]


def test_features_of_a_user_by_hand() -> None:
    """Surprises sum to .75 of 3 answers, drawn to 0 as by 30 more; the profile lets expect .2 · 1."""
    features = EVIDENCE.user_features(state(1, -2, 4, 0))
    assert features.tolist()[0] == pytest.approx([0.75 / 33, 0.2])


def test_an_interest_points_where_surprises_do() -> None:
    items = torch.tensor([[9.0, 9], [1, 0], [0, 1], [9, 9], [1, 1]])
    assert EVIDENCE.interest(state(1, -2, 4, 0), items).tolist()[0] == pytest.approx([1.0 / 33, 0.25 / 33])


def test_without_a_memory_of_refusals_the_likes_stand_in() -> None:
    assert EVIDENCE.surprises(state()).tolist() == [[0.5, 0.75, 0.0]]


def test_factors_say_which_surprises_go_together() -> None:
    """Items 1 and 3 are liked by the same user, 2 and 4 by the other; the mean of ±½ · ±½ over users is ±¼."""
    factors = surprise_factors(RECORDS, torch.full((5,), 0.5), torch.ones(2))
    products = factors @ factors.T
    assert products[1, [1, 3, 2, 4]].tolist() == pytest.approx([0.25, 0.25, -0.25, -0.25], abs=1e-6)
    assert products[0].abs().max() == 0
