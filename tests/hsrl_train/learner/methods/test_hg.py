"""Our adaptation of HG: its gate by hand, its slates, and an expert that drives it where it must look ahead."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.guidance import NO_LABEL, Guidance, Taken
from hsrl_train.learner.methods import method_named
from hsrl_train.learner.methods.hg import Hg, most_liked_code
from tests.support.known_worlds import SMALL, total_reward, trained
from tests.support.learner import learner_config

LOOKING_AHEAD: dict[str, Any] = {"n_iterations": 400, "polyak": 0.1, "actor_lr": 3e-3, "critic_lr": 5e-3}
TOKENS = [[0, 0], [0, 1], [1, 0], [1, 1], [1, 2]]
STATE = State(torch.zeros(2, 0), torch.tensor([[1, 0, 0], [2, 3, 0]]))


def session(*segments: tuple[int, int, int], first: int = 0) -> list[Taken]:
    """Steps of segments (goal, label, slates), each slate of reward 1."""
    steps = []
    for goal, label, n in segments:
        for at in range(n):
            steps.append(Taken(first + len(steps), goal, label if at == 0 else NO_LABEL, at == 0, 1.0))
    return steps


def closed(guidance: Guidance, steps: list[Taken]) -> Guidance:
    for step in steps:
        guidance.take(0, step, 0.0)
    guidance.close(0)
    return guidance


def learner(catalogue: Catalogue, **settings: Any) -> Hg:
    config = learner_config(**{**SMALL, "width": 8, "method": "hg", "n_sessions": 2, **settings})
    made = method_named("hg").fresh(catalogue, 0, 3, config, 0)
    assert isinstance(made, Hg)
    return made


def test_after_the_first_disagreement_nothing_of_a_session_is_kept_or_labelled() -> None:
    """Goals 1, 2, 3 where the expert says 1, 0, 3: the first segment is kept, the second labelled, the third neither."""
    guidance = closed(Guidance(8, 0.0, 0.5), session((1, 1, 2), (2, 0, 1), (3, 3, 2)))
    assert guidance.is_kept[:5].tolist() == [True, True, False, False, False]
    assert guidance.label[:5].tolist() == [1, NO_LABEL, 0, NO_LABEL, NO_LABEL]
    assert guidance.n_labels == 2


def test_returns_stand_where_segments_begin() -> None:
    """Four rewards of 1 and γ = ½: 1.875 from the first, 1.5 from the third; steps within a segment have none."""
    guidance = closed(Guidance(8, 0.0, 0.5), session((1, 1, 2), (2, 0, 2)))
    assert guidance.return_to_go[[0, 2]].tolist() == [1.875, 1.5]
    assert guidance.return_to_go[[1, 3]].isnan().all()


def test_where_the_expert_knows_nothing_the_gate_stands_open() -> None:
    guidance = closed(Guidance(8, 0.0, 0.5), session((1, NO_LABEL, 1), (2, NO_LABEL, 2)))
    assert guidance.is_kept[:3].all()
    assert guidance.n_labels == 0


def test_a_session_that_succeeds_as_a_whole_is_kept_and_not_labelled() -> None:
    """Twenty sessions of one slate, then one of two: above the best fifth."""
    guidance = Guidance(64, 0.2, 0.5)
    for first in range(20):
        closed(guidance, session((1, 0, 1), first=first))
    labels = guidance.n_labels
    closed(guidance, session((1, 0, 2), first=20))
    assert (guidance.is_kept[20:22].all(), guidance.n_labels) == (True, labels)


def test_a_step_takes_the_place_of_the_oldest_and_all_comes_back_from_a_checkpoint() -> None:
    guidance = closed(Guidance(4, 0.0, 0.5), session((1, 1, 3)))
    guidance.take(0, Taken(4, 2, 1, True, 0.25), 0.5)
    assert (bool(guidance.is_kept[0]), float(guidance.bonus[0])) == (False, 0.5)
    other = Guidance(4, 0.0, 0.5)
    other.load_tensors(guidance.to_tensors())
    guidance.close(0)
    other.close(0)
    assert all(torch.equal(tensor, other.to_tensors()[name]) for name, tensor in guidance.to_tensors().items())
    assert all(tensor.isfinite().all() for tensor in guidance.to_tensors().values())


def test_a_slate_holds_the_goals_items_and_what_lacks_comes_from_the_next_code(catalogue_of: Callable[..., Catalogue]) -> None:
    """Code 0 has items 1 and 2: a slate of three takes its best of code 1, the only other, last."""
    made = learner(catalogue_of(TOKENS))
    with torch.no_grad():
        made.network.controller.bias[0] = 100.0
    slates = made.policy().slates(STATE, 3, torch.Generator())
    c0 = made.network.state(STATE, made.catalogue)
    best = made.network.values(c0, torch.zeros(2, dtype=torch.int64), made.catalogue)[:, 3:].argmax(dim=1) + 3
    assert [set(slate) for slate in slates[:, :2].tolist()] == [{1, 2}] * 2
    assert slates[:, 2].tolist() == best.tolist()


def test_the_expert_names_tried_codes_alone(catalogue_of: Callable[..., Catalogue]) -> None:
    made = learner(catalogue_of(TOKENS), hg={"least_tries": 3})
    c0 = made.network.state(STATE, made.catalogue)
    assert made.expert_says(c0).tolist() == [NO_LABEL] * 2
    made.n_tries[1] = 3
    assert made.expert_says(c0).tolist() == [1, 1]


def test_the_most_liked_code_of_a_slate(catalogue_of: Callable[..., Catalogue]) -> None:
    slates, likes = torch.tensor([[1, 3, 4], [1, 2, 3], [1, 2, 3]]), torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 0, 0]])
    assert most_liked_code(slates, likes, catalogue_of(TOKENS)).tolist() == [1, 0, NO_LABEL]


def test_labels_reach_the_controller_and_the_gate_the_values(catalogue_of: Callable[..., Catalogue], two_shelves: Any) -> None:
    """Sessions of a short training: every loss is there, some steps are kept and some not, and fewer labels are given as goals agree."""
    made, _ = trained(two_shelves, "hg", n_iterations=60, learn_after=100, hg={"least_tries": 20})
    assert isinstance(made, Hg)
    guidance = made.guidance
    assert 0 < int(guidance.is_kept[: made.n_steps].sum()) < made.n_steps
    assert guidance.n_labels > 0
    assert math.isfinite(float(made.n_tries.sum()))


@pytest.mark.slow
@pytest.mark.parametrize(("expert", "least", "most"), [("return", 0.95 * 10.731, 11.0), ("clicks", 5.0, 5.7)])
def test_the_expert_drives_it(two_shelves: Any, expert: str, least: float, most: float) -> None:
    """An expert of returns leads to shelf B, 10.731; one of clicks to shelf A, 5.363, however much the low level looks ahead."""
    policy = trained(two_shelves, "hg", **LOOKING_AHEAD, hg={"expert": expert})[1]
    assert least <= total_reward(two_shelves, policy) <= most
