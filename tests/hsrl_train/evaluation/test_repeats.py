"""Sessions that may show nothing twice: who is refused, what is counted, and the reference rows."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsrl_train.data.world import State
from hsrl_train.evaluation.baselines import ConstantSlate, reference_policies
from hsrl_train.evaluation.look_ahead import LookAheadOracle
from hsrl_train.evaluation.rollouts import Rollouts, SharedStarts, evaluate
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from pipeline.errors import TrainingError
from tests.hsrl_train.conftest import Tabular, make_catalogue

FOREVER_THE_SAME = ConstantSlate(torch.tensor([1, 2]))
N = 20


def played(world: Any, policy: Any, repeats: str = "allowed", **log: Any) -> Rollouts:
    """N sessions in Four Genres, where all eight items have a SID."""
    environment = Environment(world.environment.models, EnvironmentConfig(repeats=repeats, memory=40))
    return evaluate("row", [policy], [environment], SharedStarts(world.starts(N), 2, world.catalogue, 1, **log))


def test_a_policy_that_shows_again_is_refused(four_genres: Any) -> None:
    with pytest.raises(TrainingError, match=f"row: {2 * N} of {2 * N} places show what the user was shown before"):
        played(four_genres, FOREVER_THE_SAME, "never")
    assert played(four_genres, FOREVER_THE_SAME, "allowed").depths.min() > 1


def test_what_only_the_log_showed_counts_as_shown(four_genres: Any) -> None:
    """One of two users was refused item 2 in the log: one of the four places of the first slates."""
    starts = four_genres.starts(2)._replace(recent=torch.tensor([[-2, 5], [5, 0]]))
    environment = Environment(four_genres.environment.models, EnvironmentConfig(repeats="never", memory=40))
    with pytest.raises(TrainingError, match="row: 1 of 4 places show"):
        evaluate("row", [FOREVER_THE_SAME], [environment], SharedStarts(starts, 2, four_genres.catalogue, 1))


def test_where_nothing_new_is_left_showing_again_is_no_fault(four_genres: Any) -> None:
    """Eight items are four slates; sessions of Four Genres last longer, and go on with what is known."""
    everything = ConstantSlate(torch.arange(1, 9), forbids_repeats=True)
    assert played(four_genres, everything, "never").depths.max() > 4


def test_shown_places_without_support_by_hand(four_genres: Any) -> None:
    """Always 1 and 2 over d slates. The log never showed 2: d places. It shows nobody a thing twice: 2 d − 2. Both: 2 d − 1."""
    is_logged = torch.arange(9) != 2
    n_slates = int(played(four_genres, FOREVER_THE_SAME).depths.sum())
    found = [
        played(four_genres, FOREVER_THE_SAME, **log).n_unsupported
        for log in (
            {},
            {"is_logged": is_logged},
            {"log_shows_once": True},
            {"is_logged": is_logged, "log_shows_once": True},
        )
    ]
    assert found == [0, n_slates, 2 * n_slates - 2 * N, 2 * n_slates - N]


signed_items = st.lists(st.integers(-8, 8).filter(bool), max_size=8)


@given(liked=st.lists(st.integers(1, 8), max_size=4), shown=signed_items, k=st.integers(1, 8), seed=st.integers(0, 99))
def test_reference_rows_show_the_unseen_first(liked: list[int], shown: list[int], k: int, seed: int) -> None:
    """All that was never shown, or K of it; the rest of a slate is different items too."""
    catalogue = make_catalogue([[place % 3, place % 2] for place in range(8)], popularity=[3, 1, 4, 1, 5, 9, 2, 6])
    table = torch.rand(9, generator=torch.Generator().manual_seed(seed))
    model = Tabular(lambda likes: table.expand(len(likes), -1), catalogue.is_active)
    state = State(
        torch.zeros(1, 0),
        torch.tensor([liked + [0] * (4 - len(liked))]),
        torch.tensor([shown + [0] * (8 - len(shown))]),
    )
    policies = dict(reference_policies([model], model, state, catalogue, k, forbids_repeats=True))
    policies["look-ahead oracle"] = LookAheadOracle((model,), table, forbids_repeats=True)
    unseen = set(range(1, 9)) - set(liked) - {abs(item) for item in shown}
    for name, policy in policies.items():
        (slate,) = policy.slates(state, k, torch.Generator().manual_seed(seed)).tolist()
        assert len(set(slate)) == k and 0 not in slate, name
        assert len(unseen & set(slate)) == min(k, len(unseen)), name
