"""Settings that had another name before: they are refused, and the message tells the new name."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

# The keys of [learner] lay in one flat list before they went to sections of their own.
_LEARNER = {
    "network": (
        "width",
        "n_blocks",
        "n_heads",
        "critic_hidden",
        "uses_profile",
        "uses_refusals",
        "hierarchy",
        "token_embedding",
        "values",
        "level_weights",
        "critic_trains_encoder",
    ),
    "exploration": ("n_sessions", "temperature"),
    "decoding": ("within_sid", "leaves_out_seen", "max_shows"),
    "losses": (
        "gamma",
        "polyak",
        "advantage",
        "item_share",
        "advantage_clip",
        "importance_clip",
        "pg_weight",
        "entropy_weight",
        "likelihood",
        "answers",
        "n_asked",
        "likelihood_weight",
        "likelihood_end_weight",
    ),
    "schedule": (
        "n_iterations",
        "batch_size",
        "replay_capacity",
        "learn_after",
        "curve_every",
        "actor_lr",
        "critic_lr",
        "lr_decay_share",
    ),
}
_SEARCH = {
    "foresight_rounds": "n_rounds",
    "foresight_candidates": "n_candidates",
    "foresight_sessions": "n_sessions",
    "foresight_spread": "first_spread",
}
# Old name → new name, each with its sections.
RENAMED: Mapping[str, str] = MappingProxyType(
    {
        **{f"learner.{name}": f"learner.{section}.{name}" for section, names in _LEARNER.items() for name in names},
        **{f"learner.{old}": f"learner.search.{new}" for old, new in _SEARCH.items()},
        "evaluation.beside": "evaluation.other_methods",
    }
)


def refuse_old_names(section: str, given: Iterable[object]) -> None:
    """Refuse keys of a section that have another name now.

    Raises:
        ValueError: names every such key and what it is called now.
    """
    old = [f"{section}.{name}" for name in given if f"{section}.{name}" in RENAMED]
    if old:
        raise ValueError(", ".join(f"{name} is now {RENAMED[name]}" for name in old))
