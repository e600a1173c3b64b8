"""`hsrl policy export`: the published policy as one file for programs without this project's code."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from flows.queries.service import Published, Service, open_published, open_service
from flows.runtime.files import written
from hsrl_train.data.world import State
from hsrl_train.learner.decoding import left_out
from hsrl_train.learner.methods.networked import NetworkPolicy
from hsrl_train.serving.edge import asked_of_server, device_cost, export_low_level
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
    _require_free(out, replaces)
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


@naming_damage
def export_low_level_of_published(root: Path, out: Path, k: int, memory_limit_mb: int, replaces: bool = False) -> dict[str, Any]:
    """Write the low level of a published mccHRL policy, whole or not at all, after it was loaded, picked the policy's slates and was timed.

    Args:
        root: the warehouse.
        out: the file.
        k: length of a slate.
        memory_limit_mb: of the SQL engine.
        replaces: whether a file that is there may be written over.

    Raises:
        ConfigError: a file that is there, or a place that cannot be written.
        WarehouseError: no policy is published.
        TrainingError: the policy has no low level, or the file picks other slates.
    """
    _require_free(out, replaces)
    published = open_published(root, memory_limit_mb)
    policy = published.policy
    if not isinstance(policy, NetworkPolicy):
        raise TrainingError("policy export: the policy has no low level; train one with learner.method = mcchrl")
    head = {
        "format": 1,
        "policy_id": published.policy_id,
        "release_id": published.release_id,
        "raw_ids": published.items["raw_id"].to_list(),
    }
    with written(out, root) as draft:
        export_low_level(policy, k, draft, head)
        n_other = _other_places(published, policy, k, draft)
        if n_other:
            raise TrainingError(f"policy export: the file picks other items than the policy in {n_other} places, expected none")
        cost = device_cost(draft)
    return {"policy_id": published.policy_id, "release_id": published.release_id, "out": str(out), "k": k, **asdict(cost)}


@torch.no_grad()
def _other_places(published: Published, policy: NetworkPolicy, k: int, path: Path) -> int:
    """Places of the file's slates that are not the policy's, for users who liked the first items, from none of them to as many as fit."""
    length = policy.network.encoder.position.num_embeddings - 1
    rows = torch.arange(length + 1)
    items = torch.arange(length) % len(published.catalogue.item_ids) + 1
    profiles = torch.from_numpy(published.profiles[:1]).float().expand(len(rows), -1)
    state = State(profiles, items * (torch.arange(length) < rows[:, None]))
    c0, goal = asked_of_server(policy, state, k)
    not_again = left_out(state, policy.decoding)
    nothing = torch.zeros(len(rows), 1, dtype=torch.int64)
    found = torch.jit.load(str(path))(c0, goal, nothing if not_again is None else not_again)
    return int((found != policy.slates(state, k, torch.Generator())).sum())


def _require_free(out: Path, replaces: bool) -> None:
    if out.exists() and (not replaces or out.is_dir()):
        raise ConfigError(f"{out}: is there already; name another place, or write over a file with --overwrite")


def head_of(service: Service) -> dict[str, Any]:
    """What a reader of the file must know: items by number, their tokens, what is added to their tokens' scores, both arguments' sizes."""
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
        "log_share": ranker.log_share[1:].tolist(),
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
