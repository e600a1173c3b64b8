"""Attention over what the user liked: the response model of the protocol (docs/protocol.md), in all its presets."""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812  (the name everyone knows it by)
from jaxtyping import Float
from torch import Tensor

from hsrl_train.data.weights import load_module, module_tensors
from hsrl_train.data.world import Catalogue, Records, states_of
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.families.family import Family, Progress
from hsrl_train.simulator.response import FrozenResponse, UserResponse
from hsrl_train.simulator.saturation import SaturatingResponse
from pipeline.errors import TrainingError


def response_loss(
    logits: Float[Tensor, "b k"], feedback: Float[Tensor, "b k"], preset: Literal["calibrated", "released", "saturating"]
) -> Float[Tensor, ""]:
    """Binary cross-entropy of the answers.

    ``calibrated`` and ``saturating`` have p = σ(logit).
    ``released`` is the authors' loss, BCE(σ(σ(logit)), y) (docs/protocol.md, departure 6): its inner
    sigmoid is driven to 0 where the true rate lies below 0.5 and to 1 above 0.73, and that inner sigmoid answers in sessions.
    """
    scores = torch.sigmoid(logits) if preset == "released" else logits
    return F.binary_cross_entropy_with_logits(scores, feedback)


def fit(
    records: Records, catalogue: Catalogue, config: SimulatorConfig, seed: int, progress: Progress | None
) -> dict[str, Tensor]:
    """Adam on the answers; ``seed`` decides initial weights, order and dropout."""
    # Layers draw their weights and dropout from torch's own stream, whose seed cannot be an argument: it is lent for the fit and
    # given back as it was. So a process fits one model at a time.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = UserResponse(catalogue, records.profiles.shape[1], config)
        _descend(module, records, config, progress)
    return module_tensors(module)


def _descend(module: UserResponse, records: Records, config: SimulatorConfig, progress: Progress | None) -> None:
    """Adam at a constant rate, then falling linearly to 0 over the second half of the updates.

    The fall is not in the protocol. Without it the model is as calibrated as its last few batches left it: on ML-1M the calibration
    error was .015, .033 and .021 by three seeds (weight decay 3e-4), with it .016, .015 and .015.
    """
    optimizer = torch.optim.Adam(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    orders = [torch.randperm(len(records), dtype=torch.int32) for _ in range(config.n_epochs)]
    n_batches = config.n_epochs * -(-len(records) // config.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n_done: min(1.0, 2 * (1 - n_done / n_batches)))
    batches = (batch.long() for order in orders for batch in order.split(config.batch_size))
    for n_done, batch in enumerate(batches, start=1):
        picked = records.select(batch)
        loss = response_loss(module(states_of(picked, memory=0), picked.exposed), picked.feedback, config.preset)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"simulator: the loss of update {n_done} of {n_batches} is {loss.item()}, expected a number; "
                "check the item vectors and profiles"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(n_done, n_batches)


def read(tensors: Mapping[str, Tensor], catalogue: Catalogue, profile_width: int, config: SimulatorConfig) -> FrozenResponse:
    """The user who follows his likes; with preset saturating he also tires."""
    module = read_module(tensors, catalogue, profile_width, config)
    if config.preset == "saturating":
        return SaturatingResponse(module, catalogue, config.tiring, config.tiring_half_life)
    return FrozenResponse(module, catalogue)


def read_module(tensors: Mapping[str, Tensor], catalogue: Catalogue, profile_width: int, config: SimulatorConfig) -> UserResponse:
    """The fitted module.

    Raises:
        TrainingError: the tensors are not exactly those of this configuration, item width and profile width.
    """
    with torch.random.fork_rng(devices=[]):  # weights are drawn before they are replaced, and torch's own stream is not ours
        module = UserResponse(catalogue, profile_width, config)
    load_module(module, tensors, "simulator")
    return module


FAMILY = Family("attention", fit, read, fitted_as="attention")
