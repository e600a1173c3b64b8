"""A log that is read from files a batch at a time gives what it gives from memory, to the last bit."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from flows.stores.mapped import load_arrays, put_together, save_arrays
from hsrl_train.data.tensors import records_of, train_answers, with_log
from hsrl_train.data.world import Records, share_shown_again
from hsrl_train.learner.curves import CurvePoint
from hsrl_train.learner.loop import train
from hsrl_train.learner.methods import method_named
from hsrl_train.simulator.config import EnvironmentConfig, SimulatorConfig
from hsrl_train.simulator.environment import Environment
from hsrl_train.simulator.fit import Quality, fit_response_model, quality
from tests.support import two_kinds
from tests.support.known_worlds import SMALL
from tests.support.learner import learner_config

ARRAYS = ("user", "shown", "likes", "ends", "is_train")
CATALOGUE = two_kinds.catalogue()
WITH_SIDS = replace(CATALOGUE, tokens=torch.arange(-1, two_kinds.N_ITEMS)[:, None], vocabulary=(two_kinds.N_ITEMS,))


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> None:
    """As the flows run it; sums over threads are another order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def held() -> Records:
    """In memory: 60 users of five slates, with the first item of each slate as history where it was liked."""
    log = two_kinds.log(n_users=60)
    liked_first = torch.where(log.feedback[:, :1] > 0, log.exposed[:, :1], 0)
    return with_log(Records.of(log.user, log.exposed, log.feedback, liked_first, log.is_train, torch.eye(60)[:, :3]))


@pytest.fixture
def mapped(held: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    """The same from files, to be worked through seven records at a time, in which users are torn apart."""
    monkeypatch.setattr(Records.batches, "__defaults__", (7,))
    whole = {name: getattr(held.log, name).numpy() for name in ARRAYS}
    parts = [{name: array[begin : begin + 11] for name, array in whole.items()} for begin in range(0, 400, 11)]
    arrays = put_together(parts, tmp_path)
    assert all(isinstance(array, np.memmap) for array in arrays.values()) and not list(tmp_path.iterdir())
    return records_of(arrays, held.profiles.numpy())


def test_arrays_come_back_from_their_files(mapped: Records, tmp_path: Path) -> None:
    save_arrays({name: getattr(mapped.log, name).numpy() for name in ARRAYS}, tmp_path)
    again = load_arrays(tmp_path)
    assert all((again[name] == getattr(mapped.log, name).numpy()).all() for name in ARRAYS)
    again["user"][0] = 7  # stays in memory
    assert load_arrays(tmp_path)["user"][0] == 0


def test_columns_and_counts_are_those_of_memory(held: Records, mapped: Records) -> None:
    for name in ("user", "exposed", "feedback", "history", "is_train"):
        assert torch.equal(getattr(mapped, name), getattr(held, name))
    assert torch.equal(mapped.shown_before(5), held.shown_before(5))
    assert share_shown_again(mapped) == share_shown_again(held)
    for ours, theirs in zip(train_answers(mapped, two_kinds.N_ITEMS), train_answers(held, two_kinds.N_ITEMS), strict=True):
        assert (ours == theirs).all()


@pytest.mark.parametrize("family", ["latent", "attention", "deep_sets", "factorisation", "trees"])
def test_simulators_are_those_of_memory(held: Records, mapped: Records, family: str) -> None:
    def fitted(records: Records) -> tuple[Mapping[str, Tensor], Quality]:
        made = fit_response_model(records, CATALOGUE, SimulatorConfig(family=family), 1)
        return made.tensors, quality(made.model, records.select(~records.is_train))

    (ours, our_quality), (theirs, their_quality) = fitted(held), fitted(mapped)
    assert their_quality == our_quality
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


@pytest.mark.parametrize("method", ["item_sasrec", "a2c"])
def test_losses_are_those_of_memory(held: Records, mapped: Records, method: str) -> None:
    chosen = method_named(method)
    short = {"n_iterations": 6, "learn_after": 16, "batch_size": 8, "log_share": 0.5}
    settings = learner_config(method=method, **{**SMALL, **short}).changed({"schedule": {"curve_every": 2}})
    config = chosen.configured(settings)
    model = fit_response_model(held, CATALOGUE, SimulatorConfig(), 1).model
    environment = Environment([model], EnvironmentConfig(repeats="never", max_steps=4))

    def curves(records: Records) -> tuple[CurvePoint, ...]:
        learner = chosen.fresh(WITH_SIDS, 3, 1, config, 0)
        return train(learner, environment, records.select(records.is_train), config, 0).curves

    ours, theirs = curves(held), curves(mapped)
    assert repr(theirs) == repr(ours) and "loss" in {point.metric for point in ours}
