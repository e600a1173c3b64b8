"""Learning elsewhere than on the processor: nothing is left behind there, and on a CUDA device the same comes out but for rounding."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from flows.retrain.training import usable_device
from hsrl_train.data.world import Records, on_device
from hsrl_train.learner.loop import Training, train
from hsrl_train.learner.methods import method_named
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from pipeline.errors import TrainingError
from tests.support.learner import learner_config

FACTORIES = (torch.zeros, torch.ones, torch.full, torch.empty, torch.arange, torch.rand, torch.randn, torch.randint, torch.tensor)
SMALL: dict[str, Any] = {
    "n_iterations": 8,
    "n_sessions": 8,
    "batch_size": 8,
    "learn_after": 16,
    "width": 16,
    "n_heads": 2,
    "critic_hidden": (8,),
}
SMALL |= {"search": {"n_rounds": 2, "n_candidates": 5, "n_sessions": 4}}
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"preset": "paper", "within_sid": "uniform", "token_embedding": "sampled"},
    {"uses_refusals": True, "max_shows": 1, "hierarchy": "flat", "importance_clip": 1.0, "likelihood_end_weight": 0.1},
    {"method": "item_sasrec", "leaves_out_seen": True},
    {"method": "token_sasrec"},
)


class OnProcessor(torch.Tensor):
    """A tensor that was made without saying where, as if what learns lay elsewhere."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            is_here = {isinstance(one, cls) for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor) and one.ndim}
            if func is torch.Tensor.to:
                return func(*args, **(kwargs or {})).as_subclass(torch.Tensor)
        if len(is_here) > 1:
            raise AssertionError(f"{func.__name__} meets tensors of two devices")
        return super().__torch_function__(func, types, args, kwargs)


class Unplaced(TorchFunctionMode):
    """Makes tensors ``OnProcessor`` whose maker did not say where they lie."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        return made.as_subclass(OnProcessor) if func in FACTORIES and "device" not in (kwargs or {}) else made


def learned(world: Any, device: str, changes: dict[str, Any], mode: TorchFunctionMode | None = None) -> Training:
    """A short training on ``device``."""
    config = learner_config(**{**SMALL, **changes})
    records = Records.of(
        user=torch.zeros(1, dtype=torch.int64),
        exposed=torch.ones(1, world.k, dtype=torch.int64),
        feedback=torch.zeros(1, world.k),
        history=torch.zeros(1, 6, dtype=torch.int64),
        is_train=torch.ones(1, dtype=torch.bool),
        profiles=torch.zeros(1, 0),
    )
    environment = Environment(world.environment.models, EnvironmentConfig(memory=6, repeats="allowed"))
    learner = method_named(config.method).fresh(on_device(world.catalogue, device), 0, 6, config, 0)
    if mode is None:
        return train(learner, environment, on_device(records, device), config, 0)
    with mode:
        return train(learner, environment, on_device(records, device), config, 0)


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: ",".join(map(str, changes.values())) or "best")
def test_every_tensor_of_a_training_says_where_it_lies(two_shelves: Any, changes: dict[str, Any]) -> None:
    world = replace(two_shelves, catalogue=replace(two_shelves.catalogue, first_seen=None))
    watched, plain = learned(world, "cpu", changes, Unplaced()), learned(world, "cpu", changes)
    assert watched.curves == plain.curves
    assert any(point.metric == "foresight_reward" for point in plain.curves) == ("method" not in changes)


def test_the_watch_sees_a_tensor_that_was_left_behind() -> None:
    with Unplaced(), pytest.raises(AssertionError, match="two devices"):
        torch.ones(3, device="cpu") + torch.arange(3)


def test_a_dataclass_moves_with_all_its_tensors(two_shelves: Any) -> None:
    moved = on_device(two_shelves.catalogue, "meta")
    assert {moved.vectors.device.type, moved.tokens.device.type, moved.is_active.device.type} == {"meta"}
    assert moved.item_ids is two_shelves.catalogue.item_ids


@pytest.mark.parametrize("name", ["cuda:77", "nonsense"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(TrainingError, match=f"torch cannot compute on the device '{name}', .*; use --device cpu"):
        usable_device(name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here")
@pytest.mark.parametrize("changes", VARIANTS[:1])
def test_a_cuda_device_gives_the_same_but_for_rounding(two_shelves: Any, changes: dict[str, Any]) -> None:
    here = learned(two_shelves, "cpu", changes)
    for model in two_shelves.environment.models:
        model.to("cuda")
    there = learned(two_shelves, "cuda", changes)
    assert [point.value for point in there.curves] == pytest.approx([point.value for point in here.curves], rel=1e-3, abs=1e-3)
