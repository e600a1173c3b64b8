"""What the studies vary: every variant by its name and the settings it changes, as data in one place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from flows.runtime.settings import Settings, require_memory
from hsrl_train.learner.config import PRESETS, LearnerConfig
from pipeline.errors import ConfigError, all_faults

BASE = "as configured"


@dataclass(frozen=True)
class Variant:
    """A configuration that differs from the given one.

    Attributes:
        name: of the row.
        changes: setting → value, such as ``learner.gamma``.
        published: Total Reward that the paper prints for it.
        panel: the sweep it is a point of; empty outside sweeps.
        at: where it stands on that panel's axis.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    published: float | None = None
    panel: str = ""
    at: float | None = None


@dataclass(frozen=True)
class Sweep:
    """One setting over several values; the configured value is a point too."""

    panel: str
    setting: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Study:
    """What `hsrl reproduce` can be asked for.

    Attributes:
        title: of the page.
        doc: what is shown beside the paper's own.
        base: changes that all its variants share.
        variants: beside the configured one, which comes first.
        sweeps: more variants, drawn as curves.
        published: of the configured one.
    """

    title: str
    doc: str
    base: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    published: float | None = None


_SUPERVISED = (
    Variant("token-level SASRec, supervised", {"learner.method": "token_sasrec"}),
    Variant("item-level SASRec, supervised", {"learner.method": "item_sasrec"}),
)

_SEARCH = {"learner.foresight_rounds": 12}
_FORESIGHT = Variant("with foresight", _SEARCH)
_ONE = Variant("one training simulator", {"simulator.n_training": 1})
_FOUR = Variant("four training simulators", {"simulator.n_training": 4})

_BEST = LearnerConfig(preset="best").model_dump()
_ADDED = tuple(
    Variant(f"{name} = {_BEST[name]}", {f"learner.{name}": _BEST[name]})
    for name, published in PRESETS["paper"].items()
    if published != _BEST[name]
)
_STEPS = {  # from paper to best; what is left after them is the rest of best
    "supervision": ("answers", "likelihood"),
    "rates": ("actor_lr", "lr_decay_share"),
    "critic": ("critic_trains_encoder",),
    "weights": ("pg_weight", "entropy_weight"),
}
_LADDER = tuple(
    Variant(
        f"{', '.join(tuple(_STEPS)[:number])} of best",
        {f"learner.{name}": _BEST[name] for names in tuple(_STEPS.values())[:number] for name in names},
    )
    for number in range(1, len(_STEPS) + 1)
)

STUDIES: Mapping[str, Study] = {
    "ablation": Study(
        "Ablation (the paper's Table 3)",
        "The published column is the paper's Total Reward on RL4RS, another simulator: only the order compares. Below the four of "
        "the paper: what reward, hierarchy and look-ahead add, and the supervised methods of the same budget.",
        variants=(
            Variant("w/o entropy", {"learner.entropy_weight": 0.0}, 9.766),
            Variant("w/o hierarchical policy", {"learner.hierarchy": "flat"}, 10.175),
            Variant("w/o multi-level critic", {"learner.values": "first_level"}, 10.734),
            Variant("w/o BC (no supervision)", {"learner.likelihood_weight": 0.0}, 11.254),
            Variant("w/o policy gradient", {"learner.pg_weight": 0.0}),
            Variant("w/o residual state", {"learner.hierarchy": "no_residual"}),
            Variant("w/o profile", {"learner.uses_profile": False}),
            Variant("w/o look-ahead (gamma 0)", {"learner.gamma": 0.0}),
            _FORESIGHT,
            *_SUPERVISED,
        ),
        published=12.013,
    ),
    "sensitivity": Study(
        "Sensitivity (the paper's Figure 5)",
        "The paper's best on ML-1M: λ_en = 0.1, V = 64, L = 3. Other V and L have Semantic IDs of their own, learned from the "
        "release's vectors for this study only.",
        sweeps=(
            Sweep("entropy weight", "learner.entropy_weight", (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)),
            Sweep("V, codes a level", "sids.vocabulary", (16, 32, 64, 128, 256)),
            Sweep("L, levels", "sids.levels", (1, 2, 3, 4, 5)),
        ),
    ),
    "weights": Study(
        "Level weights over training (the paper's Figure 6)",
        "w_l of (17), softmax of what the critic learns. The paper reports w0 > w1 > w3 > w2 on RL4RS.",
    ),
    "variance": Study(
        "Variance over seeds (the paper's Table 4)",
        "The paper's HSRL on ML-1M: 18.77 ± 0.14, depth 18.84 ± 0.17, on a simulator that saturates.",
        variants=(_FORESIGHT, _ONE, _FOUR, Variant("four, with foresight", {**_FOUR.changes, **_SEARCH}), *_SUPERVISED),
    ),
    "paper": Study(
        "From the preset paper to best, switch by switch",
        "The first row is HSRL as published; each further row differs from it in what its name says, and has all else as published.",
        base={"learner.preset": "paper"},
        variants=(
            *_ADDED,
            *_LADDER,
            Variant("preset best", {"learner.preset": "best"}),
            Variant("w/o look-ahead (gamma 0)", {"learner.gamma": 0.0}),
        ),
    ),
    "horizon": Study(
        "What looking ahead is worth",
        "The search for foresight, and the discount, which is that of the search and of the critic; gamma = 0 is myopic.",
        base=_SEARCH,
        variants=(
            Variant("w/o foresight", {"learner.foresight_rounds": 0}),
            Variant("gamma 0", {"learner.gamma": 0.0}),
            *_SUPERVISED,
        ),
    ),
    "tried": Study(
        "What was tried: every switch of the preset best, turned one by one",
        "Each row differs from the first in what its name says.",
        base={"learner.preset": "best"},
        variants=(
            Variant("preset paper", {"learner.preset": "paper"}),
            Variant("likes only, pulled up (24)", {"learner.likelihood": "positives"}),
            Variant("drawn answers", {"learner.answers": "drawn"}),
            Variant("asks about the slate alone", {"learner.n_asked": 0}),
            Variant("no supervision", {"learner.likelihood_weight": 0.0}),
            Variant("supervision fades", {"learner.likelihood_end_weight": 0.0}),
            Variant("no policy gradient", {"learner.pg_weight": 0.0}),
            Variant("policy gradient 0.2", {"learner.pg_weight": 0.2}),
            Variant("one advantage a slate", {"learner.advantage": "slate"}),
            Variant("an item's own reward in full", {"learner.item_share": 1.0}),
            Variant("importance weights", {"learner.importance_clip": 1.0}),
            Variant("gamma 0", {"learner.gamma": 0.0}),
            _FORESIGHT,
            Variant("no entropy", {"learner.entropy_weight": 0.0}),
            Variant("entropy 0.03", {"learner.entropy_weight": 0.03}),
            Variant("flat heads", {"learner.hierarchy": "flat"}),
            Variant("no residual", {"learner.hierarchy": "no_residual"}),
            Variant("sampled tokens", {"learner.token_embedding": "sampled"}),
            Variant("one value", {"learner.values": "first_level"}),
            Variant("fixed level weights", {"learner.level_weights": "fixed"}),
            Variant("critic trains the encoder", {"learner.critic_trains_encoder": True}),
            Variant("no profile", {"learner.uses_profile": False}),
            Variant("refusals in the state", {"learner.uses_refusals": True, "environment.memory": 60}),
            Variant("explores at temperature 1", {"learner.temperature": 1.0}),
            Variant("rates do not fall", {"learner.lr_decay_share": 0.0}),
            _ONE,
            _FOUR,
            Variant("four, pessimism 1", {"simulator.n_training": 4, "environment.pessimism": 1.0}),
            Variant("codes of the plain vectors", {"embeddings.score_aware": False}),
            Variant("V = 64, as the paper", {"sids.vocabulary": 64}),
            Variant("unique SIDs", {"sids.collisions": "beam"}),
            *_SUPERVISED,
        ),
    ),
}


def variants_of(study: Study, settings: Settings) -> Iterator[Variant]:
    """The configured one, then all others; a sweep's value that is configured is no variant."""
    yield Variant(BASE, published=study.published)
    yield from study.variants
    for sweep in study.sweeps:
        for value in sweep.values:
            if value != configured(settings, sweep.setting):
                name = f"{sweep.panel.split(',')[0]} = {value:g}"
                yield Variant(name, {sweep.setting: value}, panel=sweep.panel, at=value)


def configured(settings: Settings, setting: str) -> Any:
    """The value of ``section.key``."""
    section, key = setting.split(".")
    return getattr(getattr(settings, section), key)


def applied(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """``settings`` with some of them changed; what a preset set gives way to another preset.

    Raises:
        ConfigError: the changes do not fit the rest.
    """
    sections: dict[str, dict[str, Any]] = {}
    for setting, value in changes.items():
        section, key = setting.split(".")
        sections.setdefault(section, _given(settings, section))[key] = value
    try:
        changed = {name: type(getattr(settings, name)).model_validate(given) for name, given in sections.items()}
        made = settings.model_copy(update=changed)  # validated as a whole, the environment would have its say again
        require_memory(made)
    except ValueError as error:
        told = (
            all_faults([one["msg"].removeprefix("Value error, ") for one in error.errors()])
            if isinstance(error, ValidationError)
            else error
        )
        raise ConfigError(f"variant {dict(changes)}: {told}; change what it does not fit in the configuration") from error
    return made


def _given(settings: Settings, section: str) -> dict[str, Any]:
    """A section's values; of the learner those that its preset does not set, so that another preset may."""
    values = getattr(settings, section).model_dump()
    if section != "learner":
        return values
    untouched = LearnerConfig(preset=settings.learner.preset).model_dump()
    return {name: value for name, value in values.items() if name == "preset" or value != untouched[name]}
