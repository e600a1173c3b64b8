"""Policies read from the artifact store, for the items and Semantic IDs of a release."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hsrl_train.data.world import Catalogue
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import StoredPolicy
from hsrl_train.learner.methods import method_named
from pipeline.errors import TrainingError
from pipeline.warehouse.artifacts import ArtifactStore, refuse_unreadable

KIND = "policy"
WEIGHTS, CONFIG, CURVES, COURSE = "policy.safetensors", "learner.json", "curves.parquet", "course.json"


def load_policy(store: ArtifactStore, policy_id: str, catalogue: Catalogue) -> StoredPolicy:
    """A stored policy for the items and Semantic IDs of ``catalogue``.

    Raises:
        TrainingError: it is missing, damaged, or of another vocabulary.
    """
    folder = store.path(KIND, policy_id)
    tensors = load_tensors(folder / WEIGHTS)
    config = LearnerConfig.model_validate_json((folder / CONFIG).read_text())
    return method_named(config.method).read(tensors, config, catalogue)


def started_from(store: ArtifactStore, policy_id: str) -> str | None:
    """The policy whose weights a stored policy began with; None where they were random."""
    policy: str | None = course_of(store, policy_id)["starts_from"]
    return policy


def course_of(store: ArtifactStore, policy_id: str) -> dict[str, Any]:
    """How it was learned: ``n_iterations`` and ``starts_from``.

    Raises:
        TrainingError: it is missing or damaged.
    """
    path = store.path(KIND, policy_id) / COURSE
    try:
        course: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: {error}; remove {path.parent} and train again with: hsrl retrain") from error
    return course


def parameters_of(store: ArtifactStore, policy_id: str) -> int:
    """How many numbers a stored policy consists of."""
    return sum(tensor.numel() for tensor in load_tensors(store.path(KIND, policy_id) / WEIGHTS).values())


def load_tensors(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a policy or of a checkpoint.

    Raises:
        TrainingError: the file is missing or damaged.
    """
    refuse_unreadable(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: {error}; remove {path.parent} and train again with: hsrl retrain") from error
