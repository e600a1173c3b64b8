"""`hsrl policy export`: the published policy as one file for programs without this project's code."""

from pathlib import Path
from typing import Any

import torch

from flows.queries.service import Service, open_service
from flows.runtime.files import written
from hsrl_train.serving.export import export_policy
from hsrl_train.serving.ranker import Request
from pipeline.errors import ConfigError, TrainingError
from pipeline.sids.mapping import offsets
from pipeline.warehouse.naming_damage import naming_damage

ALIKE = 1e-4  # how far a score may lie from the policy's own: both sum in single precision, in other orders


@naming_damage
def export_published(root: Path, out: Path, memory_limit_mb: int, replaces: bool = False) -> dict[str, Any]:
    """Write the published policy as TorchScript, whole or not at all, after it was loaded and gave the policy's own scores.

    Args:
        root: the warehouse.
        out: the file.
        memory_limit_mb: of the SQL engine.
        replaces: whether a file that is there may be written over.

    Raises:
        ConfigError: a file that is there, or a place that cannot be written.
        WarehouseError: no policy is published.
        TrainingError: the file scores otherwise than the policy.
    """
    if out.exists() and (not replaces or out.is_dir()):
        raise ConfigError(f"{out}: is there already; name another place, or write over a file with --overwrite")
    service = open_service(root, memory_limit_mb)
    with written(out, root) as draft:
        export_policy(service.ranker.policy, service.ranker.profile_width, draft, head_of(service))
        difference = _difference(service, draft)
        if not difference <= ALIKE:
            raise TrainingError(
                f"policy export: scores of the file differ by {difference:.2g} from the policy's, expected {ALIKE:g} at most"
            )
    return {
        "policy_id": service.policy_id,
        "release_id": service.release_id,
        "out": str(out),
        "bytes": out.stat().st_size,
        "largest_difference": difference,
    }


def head_of(service: Service) -> dict[str, Any]:
    """What a reader of the file must know: items by number, their tokens, and the sizes of both arguments."""
    ranker = service.ranker
    vocabulary = ranker.sids.vocabulary
    return {
        "format": 1,
        "policy_id": service.policy_id,
        "release_id": service.release_id,
        "vocabulary": list(vocabulary),
        "offsets": offsets(vocabulary).tolist(),
        "history_length": ranker.max_history,
        "profile_width": ranker.profile_width,
        "raw_ids": service.raw_ids.to_pylist(),
        "tokens": ranker.policy.tokens[1:].tolist(),
        "is_shown": ranker.is_shown[1:].tolist(),
    }


@torch.no_grad()
def _difference(service: Service, path: Path) -> float:
    """How far the file's scores lie from the policy's, at most, for histories of every length and some profiles."""
    ranker = service.ranker
    items = ranker.item_ids.tolist()
    lengths = range(ranker.max_history + 1)
    profiles = list(service.profiles[: len(lengths)]) + [None] * len(lengths)
    requests = [Request((items * (length // len(items) + 1))[:length], (), profiles[length]) for length in lengths]
    state = ranker.states(requests)
    found = torch.jit.load(str(path))(state.history, state.profile)
    return float((found - ranker.policy.log_probs(state)).abs().max())
