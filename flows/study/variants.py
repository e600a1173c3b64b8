"""What the studies vary: every variant by its name and the settings that it changes, as data."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from flows.runtime.settings import Settings, require_memory
from flows.study.hac_studies import HAC_STUDIES
from flows.study.study import BASE, Study, Sweep, Variant
from flows.study.systems import CATALOGUE, TABLE2
from hsrl_train.learner.config import LearnerConfig, flat
from hsrl_train.simulator.config import SimulatorConfig
from pipeline.errors import ConfigError, all_faults

_SUPERVISED = (
    Variant("token-level SASRec, supervised", {"learner.method": "token_sasrec"}),
    Variant("item-level SASRec, supervised", {"learner.method": "item_sasrec"}),
)

_SEARCH = {"learner.search.n_rounds": 12}
_FORESIGHT = Variant("with foresight", _SEARCH)
_SINGLE = Variant("one training simulator", {"simulator.n_training": 1})
_FOUR = Variant("four training simulators", {"simulator.n_training": 4})

_BEST = flat(LearnerConfig(preset="best").model_dump())
# What the presets paper and best set differently.
_SWITCHES = (
    "losses.answers",
    "network.critic_trains_encoder",
    "losses.likelihood",
    "losses.advantage",
    "losses.pg_weight",
    "losses.entropy_weight",
    "exploration.temperature",
    "schedule.actor_lr",
    "schedule.lr_decay_share",
)
_ADDED = tuple(Variant(f"{switch.split('.')[1]} = {_BEST[switch]}", {f"learner.{switch}": _BEST[switch]}) for switch in _SWITCHES)
_STEPS = {  # from paper to best; what is left after them is the rest of best
    "supervision": ("losses.answers", "losses.likelihood"),
    "rates": ("schedule.actor_lr", "schedule.lr_decay_share"),
    "critic": ("network.critic_trains_encoder",),
    "weights": ("losses.pg_weight", "losses.entropy_weight"),
}
_LADDER = tuple(
    Variant(
        f"{', '.join(tuple(_STEPS)[:number])} of best",
        {f"learner.{switch}": _BEST[switch] for switches in tuple(_STEPS.values())[:number] for switch in switches},
    )
    for number in range(1, len(_STEPS) + 1)
)

STUDIES: Mapping[str, Study] = {
    "table2": TABLE2,
    "catalogue": CATALOGUE,
    **HAC_STUDIES,
    "panel": Study(
        "Judged by families that nobody learned in, and by people's own answers",
        "The first row is item-level SASRec with the configured simulators, asked items and tuning, which every other row has too; the rows "
        "from the log alone have no simulator at all. Every difference and verdict is beside it.",
        base={"learner.preset": "best", "learner.method": "item_sasrec"},
        variants=(
            Variant("token-level SASRec (hsrl, supervised only)", {"learner.method": "token_sasrec"}),
            Variant("item-level SASRec, log alone", {"learner.method": "item_sasrec_log"}),
            Variant("token-level SASRec, log alone", {"learner.method": "token_sasrec_log"}),
            Variant("hsrl, best", {"learner.method": "hsrl"}),
            Variant("hsrl, paper", {"learner.method": "hsrl", "learner.preset": "paper"}),
            Variant("hsrl, gamma 0", {"learner.method": "hsrl", "learner.losses.gamma": 0.0}),
            Variant("hsrl, no refusals in the state", {"learner.method": "hsrl", "learner.network.uses_refusals": False}),
            Variant("hsrl, with foresight", {"learner.method": "hsrl", **_SEARCH}),
            Variant("item-level SASRec, no refusals in the state", {"learner.network.uses_refusals": False}),
        ),
        first_name="item-level SASRec",
    ),
    "ablation": Study(
        "Ablation (the paper's Table 3)",
        "The published column is the paper's Total Reward on RL4RS, another simulator: only the order compares. Below the four of "
        "the paper: what reward, hierarchy and look-ahead add, and the supervised methods of the same budget.",
        variants=(
            Variant("w/o entropy", {"learner.losses.entropy_weight": 0.0}, 9.766),
            Variant("w/o hierarchical policy", {"learner.network.hierarchy": "flat"}, 10.175),
            Variant("w/o multi-level critic", {"learner.network.values": "first_level"}, 10.734),
            Variant("w/o BC (no supervision)", {"learner.losses.likelihood_weight": 0.0}, 11.254),
            Variant("w/o policy gradient", {"learner.losses.pg_weight": 0.0}),
            Variant("w/o residual state", {"learner.network.hierarchy": "no_residual"}),
            Variant("w/o profile", {"learner.network.uses_profile": False}),
            Variant("w/o look-ahead (gamma 0)", {"learner.losses.gamma": 0.0}),
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
            Sweep("entropy weight", "learner.losses.entropy_weight", (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)),
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
        variants=(_FORESIGHT, _SINGLE, _FOUR, Variant("four, with foresight", {**_FOUR.changes, **_SEARCH}), *_SUPERVISED),
    ),
    "paper": Study(
        "From the preset paper to best, switch by switch",
        "The first row is HSRL as published; each further row differs from it in what its name says, and has all else as published.",
        base={"learner.preset": "paper"},
        variants=(
            *_ADDED,
            *_LADDER,
            Variant("preset best", {"learner.preset": "best"}),
            Variant("w/o look-ahead (gamma 0)", {"learner.losses.gamma": 0.0}),
        ),
    ),
    "horizon": Study(
        "What looking ahead is worth",
        "The search for foresight, and the discount, which is that of the search and of the critic; gamma = 0 is myopic.",
        base=_SEARCH,
        variants=(
            Variant("w/o foresight", {"learner.search.n_rounds": 0}),
            Variant("gamma 0", {"learner.losses.gamma": 0.0}),
            *_SUPERVISED,
        ),
    ),
    "tried": Study(
        "What was tried: every switch of the preset best, turned one by one",
        "Each row differs from the first in what its name says.",
        base={"learner.preset": "best"},
        variants=(
            Variant("preset paper", {"learner.preset": "paper"}),
            Variant("likes only, pulled up (24)", {"learner.losses.likelihood": "positives"}),
            Variant("drawn answers", {"learner.losses.answers": "drawn"}),
            Variant("asks about the slate alone", {"learner.losses.n_asked": 0}),
            Variant("no supervision", {"learner.losses.likelihood_weight": 0.0}),
            Variant("supervision fades", {"learner.losses.likelihood_end_weight": 0.0}),
            Variant("no policy gradient", {"learner.losses.pg_weight": 0.0}),
            Variant("policy gradient 0.2", {"learner.losses.pg_weight": 0.2}),
            Variant("one advantage a slate", {"learner.losses.advantage": "slate"}),
            Variant("an item's own reward in full", {"learner.losses.item_share": 1.0}),
            Variant("importance weights", {"learner.losses.importance_clip": 1.0}),
            Variant("gamma 0", {"learner.losses.gamma": 0.0}),
            _FORESIGHT,
            Variant("no entropy", {"learner.losses.entropy_weight": 0.0}),
            Variant("entropy 0.03", {"learner.losses.entropy_weight": 0.03}),
            Variant("flat heads", {"learner.network.hierarchy": "flat"}),
            Variant("no residual", {"learner.network.hierarchy": "no_residual"}),
            Variant("sampled tokens", {"learner.network.token_embedding": "sampled"}),
            Variant("one value", {"learner.network.values": "first_level"}),
            Variant("fixed level weights", {"learner.network.level_weights": "fixed"}),
            Variant("critic trains the encoder", {"learner.network.critic_trains_encoder": True}),
            Variant("no profile", {"learner.network.uses_profile": False}),
            Variant("no refusals in the state", {"learner.network.uses_refusals": False}),
            Variant("nothing from the log", {"learner.losses.log_share": 0.0}),
            Variant("explores at temperature 1", {"learner.exploration.temperature": 1.0}),
            Variant("rates do not fall", {"learner.schedule.lr_decay_share": 0.0}),
            _SINGLE,
            _FOUR,
            Variant("four, pessimism 1", {"simulator.n_training": 4, "environment.pessimism": 1.0}),
            Variant("codes of the plain vectors", {"embeddings.score_aware": False}),
            Variant("V = 64, as the paper", {"sids.vocabulary": 64}),
            Variant("unique SIDs", {"sids.collisions": "beam"}),
            *_SUPERVISED,
        ),
    ),
    "codes": Study(
        "What a policy reaches under codes learned in other ways",
        "Every row has Semantic IDs of its own, learned from the release's vectors for this study only, or shares a Semantic ID's probability "
        "otherwise among its items; all else is as configured.",
        variants=(
            Variant("levels not fitted together", {"sids.joint_rounds": 0}),
            Variant("levels not fitted together, 25 iterations", {"sids.joint_rounds": 0, "sids.iterations": 25}),
            Variant("few rounds together, 10 iterations", {"sids.joint_rounds": 5, "sids.iterations": 10}),
            Variant("a SID's probability shared by popularity", {"learner.decoding.sid_share": "popularity"}),
            Variant("a SID's probability shared equally", {"learner.decoding.sid_share": "equal"}),
        ),
    ),
}


def variants_of(study: Study, configuration: Mapping[str, Any]) -> Iterator[Variant]:
    """The configured variant, then all others; a sweep's value that is configured is no variant.

    Args:
        study: whose variants.
        configuration: the configured variant's settings as plain values.
    """
    yield Variant(BASE, published=study.published)
    yield from study.variants
    for sweep in study.sweeps:
        for value in sweep.values:
            if value != configured(configuration, sweep.setting):
                name = f"{sweep.panel.split(',')[0]} = {value:g}"
                yield Variant(name, {sweep.setting: value}, panel=sweep.panel, at=value)


def configured(configuration: Mapping[str, Any], setting: str) -> Any:
    """The value of a setting such as ``learner.losses.gamma`` among plain values."""
    value: Any = configuration
    for name in setting.split("."):
        value = value[name]
    return value


def applied(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """``settings`` with some of them changed; what a preset set gives way to another preset.

    Raises:
        ConfigError: the changes do not fit the rest.
    """
    given: dict[str, dict[str, Any]] = {}
    for setting, value in changes.items():
        section, *inner, key = setting.split(".")
        values = given.setdefault(section, _given(getattr(settings, section)))
        for name in inner:
            values = values.setdefault(name, {})
        values[key] = value
    try:
        changed = {name: type(getattr(settings, name)).model_validate(values) for name, values in given.items()}
        made = settings.model_copy(update=changed)  # validated as a whole, the environment would have its say again
        require_memory(made.learner, made.simulator, made.environment)
    except ValueError as error:
        faults = [str(error)]
        if isinstance(error, ValidationError):
            faults = [fault["msg"].removeprefix("Value error, ") for fault in error.errors()]
        raise ConfigError(
            f"variant {dict(changes)}: {all_faults(faults)}; change what it does not fit in the configuration"
        ) from error
    return made


def _given(section: BaseModel) -> dict[str, Any]:
    """A section's values; where it has presets, those that its preset does not set, so that another preset may."""
    values = section.model_dump()
    if not isinstance(section, LearnerConfig | SimulatorConfig):
        return values
    return {"preset": section.preset, **_differing(values, type(section).model_validate({"preset": section.preset}).model_dump())}


def _differing(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The values, in sections, that are not those of the others."""
    differing: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            differing |= {name: inner} if (inner := _differing(value, others[name])) else {}
        elif value != others[name]:
            differing[name] = value
    return differing
