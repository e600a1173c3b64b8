"""Our adaptation of KGCR: it asks about attributes, and what is answered finds a hidden taste."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hsrl_train.data.world import State
from hsrl_train.learner.loop import StoredPolicy
from hsrl_train.learner.methods.kgcr import METHOD, Kgcr
from hsrl_train.learner.methods.networked import Free
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from pipeline.errors import TrainingError
from tests.support.known_worlds import SMALL, total_reward, trained
from tests.support.learner import learner_config
from tests.support.updates import CATALOGUE, H, small_config, steps

# Replayed gradients need a replay of the last sessions; that their weights are cut, without which the loss has no lower bound
# (losses.py), is the method's own.
ASKING: dict[str, Any] = {
    "n_iterations": 450,
    "actor_lr": 8e-3,
    "critic_lr": 5e-3,
    "temperature": 1.0,
    "likelihood_weight": 0.1,
    "entropy_weight": 0.02,
    "replay_capacity": 2000,
    "critic_trains_encoder": True,
    "kgcr": {"n_attributes": 1, "refusal_weight": 0.2},
}


@dataclass(frozen=True)
class Deaf:
    """A policy that hears no answer: every slate is that of a user of whom nothing is known."""

    policy: StoredPolicy

    def slates(self, state: State, k: int, generator: torch.Generator) -> Tensor:
        nothing = state._replace(
            history=torch.zeros_like(state.history), recent=None if state.recent is None else torch.zeros_like(state.recent)
        )
        return self.policy.slates(nothing, k, generator)


@pytest.mark.slow
def test_answers_find_the_genre_that_nobody_names(four_genres: Any) -> None:
    """One fixed genre earns 3.23, which is what the same policy earns deaf; a taste that is asked for 10.77."""
    environment = Environment(four_genres.environment.models, EnvironmentConfig(cost=0.2, memory=40, repeats="allowed"))
    world = replace(four_genres, environment=environment)
    policy = trained(world, "kgcr", **ASKING)[1]
    assert total_reward(world, policy) >= 0.7 * 10.77
    assert total_reward(world, Deaf(policy)) == pytest.approx(3.23, abs=0.35)  # type: ignore[arg-type]


def test_a_slate_has_each_attributes_places_and_no_item_twice(catalogue_of: Any) -> None:
    """K = 5, M = 2: three items of the better attribute, two of the other; one of two items is filled from others, after its own."""
    catalogue = catalogue_of([[0, 0], [0, 1], [0, 2], [0, 3], [1, 0], [1, 1], [2, 0]])
    learner = METHOD.fresh(catalogue, 0, 4, learner_config(method="kgcr", **SMALL, kgcr={"n_attributes": 2}), 0)
    assert isinstance(learner, Kgcr)
    scores = torch.tensor([[-torch.inf, 4.0, 3.0, 2.0, 1.0, 0.5, 0.4, 9.0]])
    free = Free(scores, torch.zeros(1, 8, dtype=torch.bool))
    drawn = learner.network.filled(torch.tensor([[2.0, 1.0, 0.0, -torch.inf]]), free, catalogue, 5)
    assert drawn.slate.tolist() == [[1, 2, 3, 5, 6]]
    assert drawn.attributes.tolist() == [[0, 0, 0, 1, 1]]
    drawn = learner.network.filled(torch.tensor([[1.0, 2.0, 0.0, -torch.inf]]), free, catalogue, 5)
    assert drawn.slate.tolist() == [[5, 6, 7, 1, 2]]
    free.is_last[0, 1:6] = True
    drawn = learner.network.filled(torch.tensor([[2.0, 1.0, 0.0, -torch.inf]]), free, catalogue, 5)
    assert drawn.slate.tolist() == [[7, 6, 1, 5, 2]], "what is free of whatever attribute, then what comes last"


def test_its_gradients_count_by_a_weight_that_is_cut_whatever_is_configured() -> None:
    """Without, replayed gradients have no lower bound; as PG-RA."""
    assert METHOD.configured(learner_config(method="kgcr", importance_clip=0.0)).losses.importance_clip == 2.0


def test_a_slate_of_the_log_teaches_the_likelihood_alone() -> None:
    """Nobody knows how it was chosen, nor where its session ends: of two steps only the own moves director and value."""
    learner = METHOD.fresh(CATALOGUE, 0, H, small_config("kgcr"), 0)
    own = steps(torch.tensor([[1, 5]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    both = steps(
        torch.tensor([[1, 5], [2, 6]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [torch.nan] * 2])
    )
    alone, mixed = learner.terms(own, 0.0), learner.terms(both, 0.0)  # type: ignore[attr-defined]
    assert {name for name in alone if not torch.isclose(alone[name], mixed[name])} == {"likelihood_loss"}


def test_batches_of_the_log_alone_are_refused() -> None:
    with pytest.raises(TrainingError, match="kgcr learns from its own sessions, but batches hold logged slates alone"):
        METHOD.fresh(CATALOGUE, 0, H, small_config("kgcr", answers="logged"), 0)


def test_an_attribute_without_active_items_is_never_asked(catalogue_of: Any) -> None:
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]])
    catalogue.is_active[1:3] = False
    learner = METHOD.fresh(catalogue, 0, 4, learner_config(method="kgcr", **SMALL), 0)
    state = State(torch.zeros(8, 0), torch.zeros(8, 4, dtype=torch.int64))
    choice = learner.act(state, 2, torch.Generator().manual_seed(0))
    assert (choice.slate > 2).all() and choice.note is not None and (choice.note == 1).all()
