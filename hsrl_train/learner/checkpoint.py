"""Everything a training is, as named tensors, and back without a doubt: what does not fit exactly is an error."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hsrl_train.data.weights import require_names
from pipeline.errors import TrainingError


def nested(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under ``prefix/``."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What ``nested`` put under ``prefix/``, by its own names."""
    return {name.removeprefix(f"{prefix}/"): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}/")}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step of every parameter it has moved, by the parameter's number."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": tensor.detach().clone() for number, moments in state.items() for name, tensor in moments.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], what: str) -> None:
    """Take over the moments of an optimizer of the same parameters.

    Raises:
        TrainingError: moments are missing, unexpected, or of another shape.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = {name.split(".")[0] for name in tensors}
    require_names(tensors, {f"{number}.{name}" for number in numbers for name in ("exp_avg", "exp_avg_sq", "step")}, what)
    shapes_fit = all(
        int(number) < len(parameters) and tensors[f"{number}.exp_avg"].shape == parameters[int(number)].shape
        for number in numbers
    )
    if not shapes_fit:
        raise TrainingError(
            f"{what}: the moments are not those of these {len(parameters)} parameters; train anew with: hsrl retrain"
        )
    state = {
        int(number): {name.split(".")[1]: tensors[name] for name in tensors if name.split(".")[0] == number} for number in numbers
    }
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def settings_tensor(settings: Mapping[str, Any]) -> Tensor:
    """Settings as the bytes of their JSON text, so that a checkpoint is tensors only."""
    return torch.tensor(list(json.dumps(settings, sort_keys=True).encode()), dtype=torch.uint8)


def require_settings(tensor: Tensor, settings: Mapping[str, Any]) -> None:
    """Raise TrainingError unless a checkpoint was made with exactly these settings."""
    saved = json.loads(bytes(tensor.tolist()))
    wanted = json.loads(json.dumps(settings))
    differing = [
        f"{name} was {saved.get(name)}, is {wanted.get(name)}"
        for name in sorted(saved | wanted)
        if saved.get(name) != wanted.get(name)
    ]
    if differing:
        raise TrainingError(
            f"checkpoint: {len(differing)} settings changed since it was made ({'; '.join(differing)}); "
            "put them back or start anew without the checkpoint"
        )
