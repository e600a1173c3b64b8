"""The presets of ``[learner]``: what each sets away from the defaults."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# What a preset sets away from the defaults of its sections, which are those of ``best`` (docs/measurements.md).
PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "best": MappingProxyType({}),
        # HSRL as published; where the paper is silent, as its released code has it (docs/protocol.md). λ_bc is stated nowhere: of
        # 0.01, 0.1 and 1 only 1 tells two users of opposite tastes apart (tests/hsrl_train/learner/test_learning.py).
        "paper": MappingProxyType(
            {
                "network": {"critic_trains_encoder": True, "uses_refusals": False},
                "exploration": {"temperature": 1.0},
                "losses": {
                    "answers": "drawn",
                    "likelihood": "positives",
                    "likelihood_weight": 1.0,
                    "advantage": "slate",
                    "pg_weight": 1.0,
                    "entropy_weight": 0.1,
                },
                "schedule": {"actor_lr": 5e-5, "critic_lr": 1e-3, "lr_decay_share": 0.0},
            }
        ),
    }
)
