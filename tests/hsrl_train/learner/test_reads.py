"""What a method says it reads of a batch is what its update reads: answers of nothing else move a weight."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hsrl_train.data.world import State
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.methods import METHODS, method_named
from hsrl_train.learner.supervision import Supervision
from tests.support.learner import with_settings
from tests.support.updates import CATALOGUE, H, K, small_config, steps

# Two slates of the log, then two of the learner's own; two items more are asked about in each.
N_LOGGED = 2
SLATES, FEEDBACK = torch.tensor([[1, 5], [2, 6], [3, 7], [4, 8]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
ASKED, EXPECTED = torch.tensor([[3, 8], [4, 7], [1, 6], [2, 5]]), torch.full((4, 2), 0.2)
SWITCHED: list[tuple[str, dict[str, Any]]] = [
    *((method, {"actor_critic": {"likelihood_weight": 0.5}}) for method in ("a2c", "item_a2c", "tpgr")),
    *((method, {"likelihood_weight": 0.0}) for method in ("hsrl", "hac", "kgcr")),
    ("hac", {"likelihood_weight": 0.0, "likelihood_end_weight": 0.1}),
    ("hg", {"hg": {"warm_share": 0.0}}),
]


def weights(config: LearnerConfig, feedback: Tensor = FEEDBACK, expected: Tensor = EXPECTED) -> dict[str, Tensor]:
    """After the first three updates of a training; after one, Adam's step would show the signs of the gradient alone."""
    learner: Any = method_named(config.method).fresh(CATALOGUE, 0, H, config, 0)
    state = State(torch.zeros(2, 0), torch.tensor([[1, 0, 0, 0]] * 2))
    note = learner.act(state, K, torch.Generator().manual_seed(0)).note
    note = torch.zeros(2, 0) if note is None else note
    batch = steps(SLATES, feedback, torch.cat([torch.full((N_LOGGED, note.shape[1]), torch.nan), note]))
    asked = Supervision(torch.cat([SLATES, ASKED], dim=1), torch.cat([feedback, expected], dim=1))
    for _ in range(3):
        learner.learn(batch._replace(supervision=asked), 1.0, 0.01)
    return {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}


@pytest.mark.parametrize(("method", "settings"), [*((method, {}) for method in METHODS), *SWITCHED])
def test_only_answers_that_a_method_says_it_reads_move_its_weights(method: str, settings: dict[str, Any]) -> None:
    config = with_settings(small_config(method, n_sessions=2, log_share=0.5), **settings)
    reads = method_named(method).reads(config)
    before = weights(config)

    def is_moved(after: dict[str, Tensor]) -> bool:
        return any(not torch.equal(tensor, after[name]) for name, tensor in before.items())

    assert is_moved(weights(config, expected=EXPECTED + 0.6)) == reads.asked_items
    other = torch.cat([torch.ones(N_LOGGED, K), FEEDBACK[N_LOGGED:]])
    assert is_moved(weights(config, feedback=other)) == reads.logged_rows
    assert is_moved(weights(config, feedback=torch.cat([FEEDBACK[:N_LOGGED], 1 - FEEDBACK[N_LOGGED:]]))) or method == "hg"


@pytest.mark.parametrize("method", METHODS)
def test_items_are_asked_about_only_where_their_answers_are_read(method: str) -> None:
    """Asking costs a look of every training simulator."""
    config = small_config(method, n_asked=7)
    n_asked = method_named(method).configured(config).losses.n_asked
    assert n_asked == (7 if method_named(method).reads(config).asked_items else 0)


@pytest.mark.parametrize(("method", "settings"), [*((method, {}) for method in METHODS), *SWITCHED])
def test_slates_of_the_log_take_no_room_where_they_are_not_read(method: str, settings: dict[str, Any]) -> None:
    config = with_settings(small_config(method, log_share=0.5), **settings)
    own = method_named(method).configured(config)
    if own.losses.answers == "expected":
        assert own.losses.log_share == (0.5 if method_named(method).reads(config).logged_rows else 0)
