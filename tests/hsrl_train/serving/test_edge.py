"""The low level by itself: the file picks the policy's slates, and its cost is measured on the file."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hsrl_train.data.world import State
from hsrl_train.learner.methods import method_named
from hsrl_train.serving.edge import asked_of_server, device_cost, export_low_level
from pipeline.errors import TrainingError
from tests.support.known_worlds import SMALL
from tests.support.learner import learner_config

K, H = 3, 6


def policy_of(method: str, catalogue: Any) -> Any:
    return method_named(method).fresh(catalogue, 0, H, learner_config(method=method, **SMALL), 0).policy()


def test_a_device_picks_the_policys_slates(catalogue_of: Any, tmp_path: Path) -> None:
    """For other numbers of users than it was traced with, inactive items never, what is left out last."""
    catalogue = catalogue_of([[code, place] for code in range(4) for place in range(3)])
    catalogue.is_active[7] = False
    policy, path = policy_of("mcchrl", catalogue), tmp_path / "low.pt"
    export_low_level(policy, K, path, {"policy_id": "p"})
    extra = {"hsrl.json": ""}
    device = torch.jit.load(str(path), _extra_files=extra)
    assert json.loads(extra["hsrl.json"]) == {"policy_id": "p", "k": K, "width": 16}
    history = torch.randint(0, 13, (20, H), generator=torch.Generator().manual_seed(0)).sort(dim=1, descending=True).values
    state = State(torch.zeros(20, 0), history)
    nothing = torch.zeros(20, 1, dtype=torch.int64)
    ours = policy.slates(state, K, torch.Generator())
    assert torch.equal(device(*asked_of_server(policy, state, K), nothing), ours)
    assert not (ours == 7).any()
    others = device(*asked_of_server(policy, state, K), ours)
    assert not (others[:, :, None] == ours[:, None]).any()


def test_what_a_device_needs_is_counted_in_the_file(catalogue_of: Any, tmp_path: Path) -> None:
    """d = 16: W 2d·d + d, GRU 6d² + 6d, actor 2d·2d + 2d and 2d·d + d: 3,744 weights; 13 rows of 16 numbers."""
    policy, path = policy_of("mcchrl", catalogue_of([[0, place] for place in range(12)])), tmp_path / "low.pt"
    export_low_level(policy, K, path, {})
    cost = device_cost(path, n_calls=20)
    assert cost.bytes_of_weights == 4 * (528 + 1632 + 1056 + 528)
    assert cost.bytes_of_items == 4 * 13 * 16
    assert cost.bytes_of_file == path.stat().st_size > cost.bytes_of_weights + cost.bytes_of_items
    assert 0 < cost.p50_ms <= cost.p99_ms


def test_other_methods_have_no_low_level(catalogue_of: Any, tmp_path: Path) -> None:
    policy = policy_of("item_sasrec", catalogue_of([[0, place] for place in range(12)]))
    with pytest.raises(TrainingError, match="has no low level; train one with learner.method = mcchrl"):
        export_low_level(policy, K, tmp_path / "low.pt", {})
    with pytest.raises(TrainingError, match="2 items are active, expected the slate's 3"):
        export_low_level(policy_of("mcchrl", catalogue_of([[0, 0], [0, 1]])), K, tmp_path / "low.pt", {})
    assert list(tmp_path.iterdir()) == []
