"""Families whose users nothing moves: factorisation, which knows them by number, and attention frozen where a session begins."""

import pytest
import torch

from hsrl_train.data.tensors import with_log
from hsrl_train.data.world import Records, State, states_of
from hsrl_train.simulator.config import EnvironmentConfig, SimulatorConfig
from hsrl_train.simulator.environment import Environment
from hsrl_train.simulator.families import family_named
from hsrl_train.simulator.fit import FittedSimulator, fit_response_model, quality
from pipeline.errors import TrainingError
from tests.support import two_kinds

CATALOGUE = two_kinds.catalogue()
SLATE = torch.tensor([[1, 20], [1, 20]])


@pytest.fixture(scope="module")
def records() -> Records:
    """With the kind's items as history, by which attention tells users apart."""
    log = two_kinds.log(n_users=600)
    history = torch.where(log.feedback[:, :1] > 0, log.exposed[:, :1], 0)
    return with_log(Records.of(log.user, log.exposed, log.feedback, history, log.is_train, log.profiles))


@pytest.fixture(scope="module")
def attention(records: Records) -> FittedSimulator:
    return fit_response_model(records, CATALOGUE, SimulatorConfig(family="attention", n_epochs=3), seed=1)


def test_factorisation_learns_its_users(records: Records) -> None:
    """As far as eight answers tell; nobody can rank better than .854 (test_deep_sets.py)."""
    fitted = fit_response_model(records, CATALOGUE, SimulatorConfig(family="factorisation"), seed=1)
    assert quality(fitted.model, records.select(~records.is_train)).auc > 0.7
    states = states_of(records.select(torch.tensor([0, 5, 2_999])))
    tastes = fitted.model.tastes(states, torch.Generator())
    other_past = states._replace(history=states.history * 0 + 3, recent=None)
    slate = torch.tensor([[1, 20]] * 3)
    assert torch.equal(fitted.model.logits(states, slate), fitted.model.logits(other_past, slate, tastes))
    torch.testing.assert_close(fitted.model.all_logits(states).gather(1, slate), fitted.model.logits(states, slate))


def test_factorisation_refuses_users_it_does_not_know(records: Records) -> None:
    fitted = fit_response_model(records, CATALOGUE, SimulatorConfig(family="factorisation"), seed=1)
    nobody = State(torch.zeros(2, 0), torch.zeros(2, 4, dtype=torch.int64))
    for ask in (
        lambda: fitted.model.tastes(nobody, torch.Generator()),
        lambda: fitted.model.logits(nobody, SLATE),
        lambda: fitted.model.all_logits(nobody),
    ):
        with pytest.raises(TrainingError, match="none of 2 users is known by number"):
            ask()


def moved(fitted: FittedSimulator) -> float:
    """By how much a session's answers have changed after two likes of kind 1."""
    environment = Environment([fitted.model], EnvironmentConfig(memory=12))
    start = State(torch.zeros(2, 0), torch.tensor([[2, 0, 0, 0], [0, 0, 0, 0]]))
    sessions = environment.start(start, torch.Generator())
    after = environment.step(sessions, torch.tensor([[14, 15]] * 2), torch.zeros(2, 2)).sessions
    assert (after.state.history != start.history).any()
    change = environment.probabilities(after, SLATE) - environment.probabilities(sessions, SLATE)
    return float(change.abs().max())


def test_frozen_attention_does_not_move_and_attention_does(attention: FittedSimulator) -> None:
    """The same tensors in both."""
    assert family_named("frozen_attention").fitted_as == "attention"
    config = SimulatorConfig(family="frozen_attention", n_epochs=3)
    frozen = FittedSimulator.from_tensors(attention.tensors, CATALOGUE, 0, config, 1, "train")
    assert moved(frozen) == 0
    assert moved(attention) > 0.05
    state = two_kinds.after()._replace(history=torch.tensor([[2, 0]]))
    assert torch.equal(frozen.model.logits(state, SLATE[:1]), attention.model.logits(state, SLATE[:1]))


@pytest.mark.parametrize("family", ["latent", "attention", "frozen_attention", "factorisation", "deep_sets"])
def test_reading_a_simulator_leaves_torch_as_it_was(records: Records, family: str) -> None:
    config = SimulatorConfig(family=family, n_epochs=1)
    tensors = fit_response_model(records.select(torch.arange(200)), CATALOGUE, config, 1).tensors
    before = torch.random.get_rng_state()
    FittedSimulator.from_tensors(tensors, CATALOGUE, 0, config, 1, "train")
    assert torch.equal(torch.random.get_rng_state(), before)
