"""Sessions: reward, patience, history, and the law that every finished session obeys."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsrl_train.data.world import State, remembered
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment, Sessions, extend_history, refill, require_memory, slate_reward
from pipeline.errors import TrainingError
from tests.support.users import OpenUsers


class Coin(OpenUsers):
    """Users whose every answer is decided by the luck they are dealt: p = ½."""

    def logits(self, state: State, slate: torch.Tensor, tastes: torch.Tensor | None = None) -> torch.Tensor:
        return torch.zeros(slate.shape)


LIKE, DISLIKE = 0.0, 0.9
LUCK = torch.Generator().manual_seed(0)


def nobody(n: int = 1, width: int = 4) -> State:
    return State(torch.zeros(n, 0), torch.zeros(n, width, dtype=torch.int64))


def play(environment: Environment, likes_per_step: list[int], k: int) -> tuple[float, int, Sessions]:
    """One session whose user likes the first so many items of each slate; total reward, depth, what is left."""
    sessions, total = environment.start(nobody(), LUCK), 0.0
    for depth, n_likes in enumerate(likes_per_step, start=1):
        luck = torch.tensor([[LIKE] * n_likes + [DISLIKE] * (k - n_likes)])
        step = environment.step(sessions, torch.arange(1, k + 1)[None], luck)
        total, sessions = total + float(step.reward), step.sessions
        if step.done:
            return total, depth, sessions
    raise AssertionError("the user never left")


def test_a_like_pays_one_and_a_dislike_costs() -> None:
    """One of two liked at c = .2: r = (1 − .2) / 2 = .4. None: −.2."""
    feedback = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert slate_reward(feedback, EnvironmentConfig(cost=0.2)).tolist() == pytest.approx([0.4, -0.2])


def test_patience_falls_by_what_the_slate_missed_and_one() -> None:
    """K = 2, r = .4: the fall is 2 · .6 + 1 = 2.2, from 20 to 17.8."""
    environment = Environment([Coin()], EnvironmentConfig(cost=0.2))
    step = environment.step(environment.start(nobody(), LUCK), torch.tensor([[1, 2]]), torch.tensor([[LIKE, DISLIKE]]))
    assert float(step.sessions.temper) == pytest.approx(17.8) and not step.done


def test_a_user_whose_patience_is_exactly_one_stays() -> None:
    """K = 10, c = .1: eight slates with ten misses in all cost 8 + 10 · 1.1 = 19, so that 1 is left; the ninth ends it.

    In float32 these eight leave 0.999999, which must not count as below 1.
    """
    assert play(Environment([Coin()], EnvironmentConfig()), [10, 10, 10, 10, 10, 9, 9, 2, 10, 10], 10)[1] == 9


def test_nobody_outstays_the_longest_session() -> None:
    """Everything liked: 20 steps worth 1 each; with max_steps = 5 only five."""
    assert play(Environment([Coin()], EnvironmentConfig()), [3] * 30, 3)[:2] == (20.0, 20)
    assert play(Environment([Coin()], EnvironmentConfig(max_steps=5)), [3] * 30, 3)[:2] == (5.0, 5)


def test_the_folded_reward_is_best_at_eight_likes_of_nine() -> None:
    """docs/protocol.md, bounds: always 8 of 9 gives 16 steps and 15.64; always 9 gives 11 steps of .9, since 20 − 10 · 1.9 = 1 stays."""
    environment = Environment([Coin()], EnvironmentConfig(is_reward_folded=True))
    assert list(play(environment, [8] * 20, 9)[:2]) == [pytest.approx(15.64, abs=0.01), 16]
    assert list(play(environment, [9] * 20, 9)[:2]) == [pytest.approx(9.9), 11]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.sampled_from([0.0, 0.1, 0.2, 1.0]), st.data())
def test_every_finished_session_has_spent_its_patience(k: int, cost: float, data: st.DataObject) -> None:
    """The law (docs/protocol.md): (1 + K) · Depth − K · Reward > 19, whatever was liked."""
    likes = data.draw(st.lists(st.integers(0, k), min_size=20, max_size=20))
    reward, depth, _ = play(Environment([Coin()], EnvironmentConfig(cost=cost)), likes, k)
    assert (1 + k) * depth - k * reward > 19


def test_likes_join_the_history_in_slate_order() -> None:
    """Room for four. 7 then 5 are new: [9] → [9, 7, 5]; three more push the oldest out."""
    history = torch.tensor([[9, 0, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0]])
    slate = torch.tensor([[7, 8, 5], [5, 6, 7], [5, 6, 7]])
    feedback = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    assert extend_history(history, slate, feedback).tolist() == [[9, 7, 5, 0], [4, 5, 6, 7], [0, 0, 0, 0]]


def test_a_slate_longer_than_the_history_leaves_the_newest() -> None:
    assert extend_history(torch.tensor([[9, 8]]), torch.tensor([[1, 2, 3]]), torch.ones(1, 3)).tolist() == [[2, 3]]


def test_the_true_terminal_state_is_returned_and_refilled_only_when_asked() -> None:
    """Five sessions in one slate each; the first two are refilled with users who like 4, the third goes on with its own."""
    environment = Environment([Coin(), Coin()], EnvironmentConfig(max_steps=1))
    step = environment.step(environment.start(nobody(3), LUCK), torch.tensor([[1], [2], [3]]), torch.tensor([[LIKE]] * 3))
    assert step.done.all()
    assert step.sessions.state.history[:, 0].tolist() == [1, 2, 3]
    fresh = nobody(3)
    fresh.history[:, 0] = 4
    after = refill(environment, step.sessions, torch.tensor([True, True, False]), fresh, LUCK)
    assert after.state.history[:, 0].tolist() == [4, 4, 3]
    assert after.n_steps.tolist() == [0, 0, 1]
    assert after.temper.tolist() == [20, 20, 19]
    assert after.model.tolist() == [0, 1, 0]


def test_sessions_are_spread_evenly_over_the_response_models(fixed_response: Any) -> None:
    """The first model's users like everything, the second's nothing."""
    environment = Environment([fixed_response(1.0), fixed_response(0.0)], EnvironmentConfig())
    step = environment.step(environment.start(nobody(5), LUCK), torch.ones(5, 1, dtype=torch.int64), torch.full((5, 1), 0.5))
    assert step.feedback.flatten().tolist() == [1, 0, 1, 0, 1]


def test_a_finished_session_is_not_stepped_again() -> None:
    environment = Environment([Coin()], EnvironmentConfig(max_steps=1))
    luck, slate = torch.tensor([[LIKE], [LIKE]]), torch.tensor([[1], [1]])
    after = environment.step(environment.start(nobody(2), LUCK), slate, luck).sessions
    with pytest.raises(ValueError, match="2 of 2 sessions were over"):
        environment.step(after, slate, luck)


def test_pessimism_believes_what_all_simulators_do(fixed_response: Any) -> None:
    """Log-odds ±2 for item 1: mean 0, sd 2, so 0 − ½ · 2 = −1. Item 2 stands at .5 in both and stays there."""
    p = torch.sigmoid(torch.tensor(2.0)).item()
    models = [fixed_response(p, 0.5), fixed_response(1 - p, 0.5)]
    environment = Environment(models, EnvironmentConfig(pessimism=0.5))
    found = environment.probabilities(environment.start(nobody(), LUCK), torch.tensor([[1, 2]]))
    assert found[0].tolist() == pytest.approx([torch.sigmoid(torch.tensor(-1.0)).item(), 0.5])


def test_the_session_remembers_what_it_showed_and_forgets_it_with_the_next(fixed_response: Any) -> None:
    """Room for three: 1 liked, 2 refused, then 2 liked, 1 refused; the oldest falls out. The next session remembers nothing."""
    environment = Environment([Coin()], EnvironmentConfig(memory=3))
    sessions = environment.start(nobody(), LUCK)
    sessions = environment.step(sessions, torch.tensor([[1, 2]]), torch.tensor([[LIKE, DISLIKE]])).sessions
    assert remembered(sessions.state).tolist() == [[1, -2, 0]]
    sessions = environment.step(sessions, torch.tensor([[2, 1]]), torch.tensor([[LIKE, DISLIKE]])).sessions
    assert remembered(sessions.state).tolist() == [[-2, 2, -1]]
    after = refill(environment, sessions, torch.tensor([True]), nobody(), LUCK)
    assert remembered(after.state).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(("share", "repeats"), [(0.0, "never"), (0.0099, "never"), (0.01, "allowed"), (1.0, "allowed")])
def test_sessions_show_again_where_one_place_in_a_hundred_of_the_log_does(share: float, repeats: str) -> None:
    assert EnvironmentConfig().as_logged(share).repeats == repeats
    assert EnvironmentConfig(repeats="allowed").as_logged(0.0).repeats == "allowed"
    assert EnvironmentConfig(repeats="never").as_logged(1.0).repeats == "never"


def test_a_memory_shorter_than_a_session_that_shows_nothing_twice_is_refused() -> None:
    """Ten slates of two: 20 items. Where things may be shown again, any memory will do."""
    with pytest.raises(TrainingError, match="memory is 19 items where a session may show 10 slates of 2 .* to 20 or more"):
        require_memory(EnvironmentConfig(repeats="never", max_steps=10, memory=19), 2)
    require_memory(EnvironmentConfig(repeats="never", max_steps=10, memory=20), 2)
    require_memory(EnvironmentConfig(repeats="allowed", max_steps=10, memory=0), 2)


class Drawing(OpenUsers):
    """Users whose taste, of a width of its own, is a number drawn for the session."""

    def __init__(self, width: int) -> None:
        self.width = width

    def tastes(self, state: State, generator: torch.Generator) -> torch.Tensor:
        return torch.rand(len(state.history), self.width, generator=generator) + 1

    def logits(self, state: State, slate: torch.Tensor, tastes: torch.Tensor | None = None) -> torch.Tensor:
        assert tastes is not None
        return tastes[:, : self.width].sum(dim=1, keepdim=True).expand(-1, slate.shape[1])


def test_tastes_last_a_session_and_are_drawn_anew_with_the_next() -> None:
    """Two models, whose tastes are two numbers and none; sessions 0 and 2 are over and begin anew with their own model."""
    environment = Environment([Drawing(2), Drawing(0)], EnvironmentConfig())
    sessions = environment.start(nobody(4), LUCK)
    assert (sessions.tastes > 0).tolist() == [[True, True], [False, False]] * 2
    step = environment.step(sessions, torch.tensor([[1]] * 4), torch.tensor([[LIKE]] * 4))
    assert torch.equal(step.sessions.tastes, sessions.tastes)
    after = refill(environment, step.sessions, torch.tensor([True, True, False, False]), nobody(4), LUCK)
    assert after.model.tolist() == [0, 1, 0, 1]
    assert (after.tastes[0] != sessions.tastes[0]).all() and torch.equal(after.tastes[1:], sessions.tastes[1:])
    assert environment.probabilities(after, torch.tensor([[1]] * 4))[:, 0].tolist() == pytest.approx(
        torch.sigmoid(after.tastes.sum(dim=1)).tolist()
    )


def test_a_session_goes_on_from_what_the_log_showed() -> None:
    """Memory 3, of which the log fills two; a user who is refilled brings his own past and number."""
    environment = Environment([Coin()], EnvironmentConfig(memory=3))
    start = nobody(2)._replace(recent=torch.tensor([[5, -6, 0, 0], [1, 2, 3, -4]]), user=torch.tensor([7, 8]))
    sessions = environment.start(start, LUCK)
    assert remembered(sessions.state).tolist() == [[5, -6, 0], [2, 3, -4]]
    step = environment.step(sessions, torch.tensor([[7, 8]] * 2), torch.tensor([[LIKE, DISLIKE]] * 2))
    assert remembered(step.sessions.state).tolist() == [[-6, 7, -8], [-4, 7, -8]]
    after = refill(environment, step.sessions, torch.tensor([False, True]), start._replace(user=torch.tensor([1, 2])), LUCK)
    assert remembered(after.state).tolist() == [[-6, 7, -8], [2, 3, -4]]
    assert after.state.user is not None and after.state.user.tolist() == [7, 2]
