"""`hsrl policy export --low-level`: what a device gets of a published mccHRL policy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from flows.queries import policy_export
from flows.queries.service import Published
from hsrl_train.data.world import Catalogue
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.methods import method_named
from pipeline.errors import TrainingError

N_ITEMS, H = 12, 6


def published(method: str) -> Published:
    """An untrained policy over twelve items, with a user of two attributes."""
    catalogue = Catalogue(
        item_ids=np.arange(1, N_ITEMS + 1),
        vectors=torch.eye(N_ITEMS + 1)[:, 1:],
        tokens=torch.cat([torch.tensor([[-1]]), torch.arange(N_ITEMS)[:, None]]),
        vocabulary=(N_ITEMS,),
        is_active=torch.arange(N_ITEMS + 1) > 0,
        popularity=torch.ones(N_ITEMS + 1),
    )
    config = LearnerConfig.model_validate({"method": method, "network": {"width": 8, "n_heads": 2, "critic_hidden": (8,)}})
    policy = method_named(method).fresh(catalogue, 2, H, config, 0).policy()
    items = pl.DataFrame({"item_id": range(1, N_ITEMS + 1), "raw_id": [f"i{n}" for n in range(N_ITEMS)]})
    return Published(policy, catalogue, "p1", 3, items, pl.DataFrame(), np.array([[0.0, 1.0]], dtype=np.float32))


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Export from a warehouse whose published policy is a method's."""

    def run(method: str, **arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(policy_export, "open_published", lambda *_: published(method))
        (tmp_path / "warehouse").mkdir(exist_ok=True)
        return policy_export.export_low_level_of_published(tmp_path / "warehouse", tmp_path / "low.pt", 4, 384, **arguments)

    return run


def test_the_file_is_checked_measured_and_says_what_it_is(export: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    report = export("mcchrl")
    assert (report["policy_id"], report["release_id"], report["k"]) == ("p1", 3, 4)
    assert report["bytes_of_file"] == (tmp_path / "low.pt").stat().st_size
    assert report["bytes_of_items"] == 4 * 8 * (N_ITEMS + 1) and 0 < report["p50_ms"] <= report["p99_ms"]
    extra = {"hsrl.json": ""}
    device = torch.jit.load(str(tmp_path / "low.pt"), _extra_files=extra)
    assert json.loads(extra["hsrl.json"])["raw_ids"][0] == "i0"
    assert device(torch.zeros(3, 8), torch.zeros(3, 8), torch.zeros(3, 1, dtype=torch.int64)).shape == (3, 4)


def test_what_has_no_low_level_or_no_room_is_refused(
    export: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("item_sasrec", "hsrl"):
        with pytest.raises(TrainingError, match="has no low level; train one with learner.method = mcchrl"):
            export(method)
    assert not (tmp_path / "low.pt").exists()
    monkeypatch.setattr(policy_export, "_other_places", lambda *_: 2)
    with pytest.raises(TrainingError, match="picks other items than the policy in 2 places"):
        export("mcchrl")
    assert not (tmp_path / "low.pt").exists()
    monkeypatch.undo()
