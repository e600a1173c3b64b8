"""Every system of the papers as a row of their main table, and what of its own each may tune."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flows.study.study import Stage, Study, Variant

_ADAPTATIONS = "Our adaptations of systems whose papers do not specify them here (docs/baselines.md)"


_NOISE: Mapping[str, tuple[Any, ...]] = {"learner.hyper_action.noise": (0.1, 0.3, 1.0)}


def _method(name: str, title: str, searched: Mapping[str, tuple[Any, ...]] = MappingProxyType({}), block: str = "") -> Variant:
    """A method of the registry as a row of the table."""
    return Variant(title, {"learner.method": name}, searched=searched, block=block)


TABLE2 = Study(
    "Every system of the papers, tuned alike (the papers' main table)",
    "Each method tries eight configurations, chosen by successive halving in the training simulators alone, and is then judged once. "
    "The first row is HSRL; every difference and verdict is beside it.",
    base={"learner.preset": "best", "learner.method": "hsrl"},
    variants=(
        Variant("HSRL, as published", {"learner.preset": "paper"}),
        _method("token_sasrec", "token-level SASRec, supervised"),
        _method("item_sasrec", "item-level SASRec, supervised"),
        _method("sl_offline", "SL, offline (HAC)"),
        _method("sl_online", "SL, online (HAC)"),
        _method("next_item", "SASRec, next item (HSRL's SL)"),
        _method("a2c", "A2C", {"learner.actor_critic.entropy_weight": (0.001, 0.01, 0.1)}),
        _method("item_a2c", "ItemA2C", {"learner.actor_critic.item_smoothing": (0.15, 0.25, 0.5, 1.0)}),
        _method("ddpg", "DDPG", _NOISE),
        _method("td3_published", "TD3 as published", _NOISE),
        _method("td3", "TD3", {"learner.hyper_action.smoothing": (0.01, 0.1, 0.2), **_NOISE}),
        _method("ddpg_ra", "DDPG-RA", {"learner.hyper_action.representation_weight": (0.01, 0.1, 1.0), **_NOISE}),
        _method("pg_ra", "PG-RA", {"learner.hyper_action.representation_weight": (0.01, 0.1, 1.0), **_NOISE}),
        _method("hac", "HAC", {"learner.hyper_action.alignment_weight": (0.01, 0.1, 1.0), **_NOISE}),
        _method(
            "slateq",
            "SlateQ, independent clicks",
            {"learner.slateq.clicked_only": (True, False), "learner.losses.item_share": (0.0, 0.1)},
        ),
        _method("tpgr", "TPGR on the tree of Semantic IDs", {"learner.actor_critic.entropy_weight": (0.001, 0.01, 0.1)}),
        _method("gfn4rec", "GFN4Rec", {"learner.gfn4rec.reward_offset": (0.3, 0.5, 1.0)}),
        _method("hg", "our adaptation of HG", {"learner.hg.max_slates": (1, 3, 5)}, _ADAPTATIONS),
        _method("mcchrl", "our adaptation of mccHRL", {"learner.mcchrl.intrinsic_share": (0.1, 0.3, 0.5)}, _ADAPTATIONS),
        _method("kgcr", "our adaptation of KGCR", {"learner.kgcr.worker_temperature": (0.5, 1.0)}, _ADAPTATIONS),
        _method("chirp", "our adaptation of CHIRP", {"learner.chirp.target_bonus": (0.0, 0.5, 1.0)}, _ADAPTATIONS),
    ),
    first_name="HSRL",
    is_tuned=True,
)

_NIGHTS = tuple(Stage(f"night {night}", night / 60) for night in (5, 10, 15, 20, 25, 30))
CATALOGUE = Study(
    "Items come and go: what a policy is worth on a catalogue that it has not learned on",
    "Policies learn on two thirds of the items. Then some of those give way to items that nobody has seen, whose Semantic IDs come from the "
    "codebook of the first catalogue: 20 % and 50 % at once, and a sixtieth every night for thirty nights. Nothing is learned in between but "
    "where a stage says so. The catalogue itself gets better or worse too, which every row meets alike: the last column is what a row "
    "changes beside what the first row changes.",
    base={"learner.preset": "best", "learner.method": "hsrl"},
    variants=(
        _method("item_sasrec", "item-level SASRec, supervised"),
        _method("token_sasrec", "token-level SASRec, supervised"),
        _method("a2c", "A2C"),
        _method("hac", "HAC"),
        _method("tpgr", "TPGR on the tree of Semantic IDs"),
    ),
    first_name="HSRL",
    stages=(
        Stage("first catalogue", 0.0),
        Stage("20 % replaced", 0.2),
        Stage("20 % replaced, learned on", 0.2, learns_on=True),
        Stage("50 % replaced", 0.5),
        Stage("50 % replaced, learned on", 0.5, learns_on=True),
        *_NIGHTS,
    ),
)
