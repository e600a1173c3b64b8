"""The method of docs/adding-a-method.md is registered as the page says, learns a small world, and is read back."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from hsrl_train.data.world import Records
from hsrl_train.evaluation.rollouts import evaluate, summarise
from hsrl_train.learner.loop import Hooks, train
from hsrl_train.learner.methods import METHODS, method_named
from pipeline.errors import TrainingError
from tests.support.learner import learner_config

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-method.md"
SETTINGS = {
    "n_iterations": 60,
    "n_sessions": 8,
    "batch_size": 16,
    "learn_after": 32,
    "curve_every": 20,
    "search": {"n_rounds": 1},
}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page's file under the page's line of the registry."""
    page = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    name, path = re.findall(r'^    "(\w+)": "([\w.]+)",$', page, re.MULTILINE)[0]
    module = ModuleType(path)
    monkeypatch.setitem(sys.modules, path, module)
    exec(compile(code, str(PAGE), "exec"), module.__dict__)  # noqa: S102 our own page
    monkeypatch.setitem(METHODS, name, path)
    yield name


def test_the_page_s_method_learns_and_is_read_back(registered: str, two_shelves: Any) -> None:
    """It learns what is liked most now: shelf A, which always shown is worth 5.363. A resumed training ends with the same rates."""
    world, config = two_shelves, learner_config(method=registered, **SETTINGS)
    method = method_named(config.method)
    assert method.name == registered and method.n_units(config) == 60
    records = Records.of(
        user=torch.zeros(1, dtype=torch.int64),
        exposed=torch.ones(1, world.k, dtype=torch.int64),
        feedback=torch.zeros(1, world.k),
        history=torch.zeros(1, 20, dtype=torch.int64),
        is_train=torch.ones(1, dtype=torch.bool),
        profiles=torch.zeros(1, 0),
    )
    saved: list[dict[str, Tensor]] = []
    fresh = [method.fresh(world.catalogue, 0, 20, config, seed=0) for _ in range(2)]
    training = train(fresh[0], world.environment, records, config, 0, Hooks(save=saved.append, save_every=30))
    read = method.read(training.policy.to_tensors(), config, world.catalogue)
    assert set(read.slates(world.starts(1), 2, torch.Generator())[0].tolist()) == {1, 2}
    assert summarise(evaluate(registered, [read], [world.environment], world.shared(2_000))).total_reward == pytest.approx(
        5.36, abs=0.2
    )
    resumed = train(fresh[1], world.environment, records, config, 0, Hooks(resume=saved[0]))
    assert torch.equal(resumed.policy.to_tensors()["rates"], training.policy.to_tensors()["rates"])
    with pytest.raises(TrainingError, match="policy: 1 of 1 tensors are missing"):
        method.read({}, config, world.catalogue)


def test_its_name_is_known_to_the_configuration_while_it_is_registered(registered: str) -> None:
    assert learner_config(method=registered).method == "like_rates"
