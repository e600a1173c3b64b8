"""The low level of our adaptation of mccHRL as a small model of its own, for a device that is sent states and goals.

The server keeps the encoder, the high level and the critics. What it sends is c and g, 2 d numbers, again every ``goal_every`` slates;
the device holds the items' vectors and picks slates without asking.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hsrl_train.data.world import State
from hsrl_train.learner.methods.mcchrl import McchrlNetwork
from hsrl_train.learner.methods.networked import NetworkPolicy
from hsrl_train.learner.slate_sequence import LowLevel
from hsrl_train.serving.export import HEAD, quiet
from pipeline.errors import TrainingError


class DeviceModel(nn.Module):
    """Picks the K items of a slate for a state and a goal.

    Args:
        low: the trained low level.
        items: e_i of the catalogue, row 0 is padding.
        is_active: what may be shown.
        k: length of a slate.
    """

    items: Tensor
    never: Tensor

    def __init__(self, low: LowLevel, items: Float[Tensor, "n_plus_1 d"], is_active: Bool[Tensor, " n_plus_1"], k: int) -> None:
        super().__init__()
        self.low, self.k = low, k
        self.register_buffer("items", items)
        self.register_buffer("never", torch.zeros(len(items)).masked_fill(~is_active, -torch.inf))

    def forward(self, c0: Float[Tensor, "b d"], goal: Float[Tensor, "b d"], not_again: Int[Tensor, "b e"]) -> Int[Tensor, "b k"]:
        """Slates; the items of ``not_again`` come last, 0 names none."""
        free = torch.zeros(c0.shape[0], self.items.shape[0]) + self.never
        is_last = torch.zeros(free.shape, dtype=torch.bool).scatter(1, not_again, torch.ones_like(not_again, dtype=torch.bool))
        return self.low.slate(c0, goal, self.items, free, is_last, self.k)


@dataclass(frozen=True)
class DeviceCost:
    """What the file asks of a device.

    Attributes:
        bytes_of_file: with items and code.
        bytes_of_weights: of the networks alone, 4 a parameter.
        bytes_of_items: of the items' vectors, 4 a number.
        p50_ms: median milliseconds of a slate for one user, one thread, after a warm-up; of CPU time, which is that of the clock where
            nothing else runs.
        p99_ms: of them, the 99th percentile.
    """

    bytes_of_file: int
    bytes_of_weights: int
    bytes_of_items: int
    p50_ms: float
    p99_ms: float


@torch.no_grad()
def export_low_level(policy: NetworkPolicy, k: int, path: Path, head: Mapping[str, Any]) -> None:
    """Write the low level as TorchScript: ``forward(c, g, not_again)`` gives slates of item numbers.

    Args:
        policy: of mccHRL.
        k: length of a slate.
        path: where to; a caller that must not show half a file hands over a draft.
        head: what a reader must know; written as JSON into the file.

    Raises:
        TrainingError: the policy is another method's, or fewer than k items are active.
    """
    network, catalogue = policy.network, policy.catalogue
    if not isinstance(network, McchrlNetwork):
        raise TrainingError("policy export: the policy has no low level; train one with learner.method = mcchrl")
    if int(catalogue.is_active.sum()) < k:
        raise TrainingError(f"policy export: {int(catalogue.is_active.sum())} items are active, expected the slate's {k}")
    model = DeviceModel(network.low, network.encoder.item(catalogue.vectors), catalogue.is_active, k).eval()
    width = network.high.in_features
    example = (torch.zeros(2, width), torch.zeros(2, width), torch.zeros(2, 1, dtype=torch.int64))
    with quiet():
        traced = torch.jit.trace(model, example, check_trace=False)
        torch.jit.save(traced, str(path), _extra_files={HEAD: json.dumps({**head, "k": k, "width": width})})


@torch.no_grad()
def asked_of_server(policy: NetworkPolicy, state: State, k: int) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]]:
    """c and g of b users, as the server sends them.

    Raises:
        TrainingError: the policy is another method's.
    """
    network = policy.network
    if not isinstance(network, McchrlNetwork):
        raise TrainingError("policy export: the policy has no goals; train one with learner.method = mcchrl")
    c0 = network.encoder(state, policy.catalogue.vectors)
    return c0, network.kept_goal(state, c0, policy.catalogue, k)


@torch.no_grad()
def device_cost(path: Path, n_calls: int = 200) -> DeviceCost:
    """Load the file as a device would and measure it, a user at a time."""
    model = torch.jit.load(str(path))
    n_items = dict(model.named_buffers())["items"].numel()
    width = dict(model.named_buffers())["items"].shape[1]
    given = torch.randn(2, n_calls + 20, 1, width, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(1, 1, dtype=torch.int64)
    seconds = []
    for c0, goal in zip(*given, strict=True):
        began = time.thread_time()
        model(c0, goal.tanh(), nothing)
        seconds.append(time.thread_time() - began)
    p50, p99 = np.percentile(1000 * np.array(seconds[20:]), [50, 99])
    n_weights = sum(weight.numel() for weight in model.parameters())
    return DeviceCost(path.stat().st_size, 4 * n_weights, 4 * n_items, float(p50), float(p99))
