"""Checkpoints that do not fit exactly are refused."""

import pytest
import torch
from torch import nn

from hsrl_train.data.weights import load_module, module_tensors
from hsrl_train.learner.checkpoint import (
    load_optimizer,
    nested,
    optimizer_tensors,
    part,
    require_settings,
    settings_tensor,
)
from pipeline.errors import TrainingError


def stepped() -> tuple[nn.Linear, torch.optim.Adam]:
    """A layer that Adam has moved once."""
    layer = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return layer, optimizer


def test_nested_names_come_back() -> None:
    tensors = {**nested("a", {"x/y": torch.ones(1)}), **nested("b", {"x": torch.zeros(1)})}
    assert list(tensors) == ["a/x/y", "b/x"]
    assert list(part("a", tensors)) == ["x/y"]


def test_a_module_and_its_moments_come_back() -> None:
    layer, optimizer = stepped()
    fresh = nn.Linear(2, 1)
    fresh_optimizer = torch.optim.Adam(fresh.parameters())
    load_module(fresh, module_tensors(layer), "policy")
    load_optimizer(fresh_optimizer, optimizer_tensors(optimizer), "policy")
    assert torch.equal(fresh.weight, layer.weight)
    moments, restored = optimizer_tensors(optimizer), optimizer_tensors(fresh_optimizer)
    assert moments.keys() == restored.keys()
    assert all(torch.equal(moments[name], restored[name]) for name in moments)


def test_missing_and_unexpected_tensors_are_named() -> None:
    tensors = module_tensors(nn.Linear(2, 1))
    tensors["scale"] = tensors.pop("bias")
    with pytest.raises(TrainingError, match=r"policy: 1 of 2 tensors are missing \(bias\) and 1 unexpected \(scale\)"):
        load_module(nn.Linear(2, 1), tensors, "policy")


def test_another_shape_is_named_and_nothing_is_loaded() -> None:
    layer = nn.Linear(2, 1)
    before = layer.bias.clone()
    with pytest.raises(TrainingError, match=r"weight is \(1, 3\), not \(1, 2\)"):
        load_module(layer, module_tensors(nn.Linear(3, 1)), "policy")
    assert torch.equal(layer.bias, before)


def test_moments_of_other_parameters_are_refused() -> None:
    _, optimizer = stepped()
    other = torch.optim.Adam(nn.Linear(3, 1).parameters())
    with pytest.raises(TrainingError, match="not those of these 2 parameters"):
        load_optimizer(other, optimizer_tensors(optimizer), "checkpoint")


def test_missing_moments_are_refused() -> None:
    layer, optimizer = stepped()
    tensors = optimizer_tensors(optimizer)
    del tensors["0.exp_avg"]
    with pytest.raises(TrainingError, match=r"missing \(0\.exp_avg\)"):
        load_optimizer(torch.optim.Adam(layer.parameters()), tensors, "checkpoint")


def test_a_changed_setting_is_named() -> None:
    saved = settings_tensor({"gamma": 0.9, "hidden": (256, 64)})
    require_settings(saved, {"gamma": 0.9, "hidden": (256, 64)})
    with pytest.raises(TrainingError, match=r"1 settings changed since it was made \(gamma was 0.9, is 0.5\)"):
        require_settings(saved, {"gamma": 0.5, "hidden": (256, 64)})
