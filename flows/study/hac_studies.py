"""The ablations and figures of HAC (docs/baselines.md), as data.

Answers are drawn, one simulator answers and refusals stay out of the state, as in the paper; what it calls learning rates of its losses are
weights here, since all learn with one optimizer.
"""

from collections.abc import Mapping
from typing import Any

from flows.study.study import Study, Sweep, Variant

_AS_IN_THE_PAPER: Mapping[str, Any] = {
    "learner.preset": "best",
    "learner.method": "hac",
    "learner.losses.answers": "drawn",
    "learner.network.uses_refusals": False,
    "simulator.n_training": 1,
}
_ALIGNMENT, _SUPERVISION = "learner.hyper_action.alignment_weight", "learner.losses.likelihood_weight"
_NOISE, _GREEDY, _PROMISE = (f"learner.hyper_action.{name}" for name in ("noise", "greedy_share", "q_weight"))


def _swept(title: str, doc: str, sweep: Sweep, **changes: Any) -> Study:
    """A figure of the paper as a study: one setting over its values, all else the same."""
    return Study(title, doc, base={**_AS_IN_THE_PAPER, **changes}, sweeps=(sweep,), first_name="HAC")


HAC_STUDIES: Mapping[str, Study] = {
    "hac-ablation": Study(
        "HAC taken apart (its Figures 4, 8 and 14)",
        "The published column is HAC's Table 2 on its ML-1M simulator, another than this one: only the order compares. Its paper says that "
        "leaving out either supervision or alignment lowers the reward and raises its variance over users.",
        base=_AS_IN_THE_PAPER,
        variants=(
            Variant("w/o supervision", {_SUPERVISION: 0.0}),
            Variant("w/o alignment", {_ALIGNMENT: 0.0}),
            Variant("w/o either", {_SUPERVISION: 0.0, _ALIGNMENT: 0.0}),
            Variant("w/o the critic's say", {_PROMISE: 0.0}),
            Variant("Z of any length", {"learner.hyper_action.holds_length": False}),
            Variant("Z of any length, w/o alignment", {"learner.hyper_action.holds_length": False, _ALIGNMENT: 0.0}),
            Variant("DDPG", {"learner.method": "ddpg"}, 17.205),
            Variant("TD3 as published", {"learner.method": "td3_published"}, 17.545),
            Variant("DDPG-RA", {"learner.method": "ddpg_ra"}, 18.466),
            Variant("SL, online", {"learner.method": "sl_online"}, 18.629),
        ),
        published=18.863,
        first_name="HAC",
    ),
    "hac-supervision": _swept(
        "HAC: how much supervision (its Figures 5 and 12)",
        "The paper: more supervision helps up to a point, and too much harms.",
        Sweep("weight of supervision", _SUPERVISION, (0.0, 0.01, 0.1, 1.0, 10.0)),
    ),
    "hac-alignment": _swept(
        "HAC: how much alignment (its Figures 6, 7 and 13)",
        "The paper: best at λ_h = 0.1 on ML-1M, where the reward is higher and varies less over users.",
        Sweep("λ_h, weight of alignment", _ALIGNMENT, (0.0, 0.001, 0.01, 0.1, 1.0)),
    ),
    "hac-noise": _swept(
        "HAC: exploring with hyper-actions (its Figure 9)",
        "The paper: best in the middle, since too little noise finds nothing new and too much never settles. Noise is in root mean squares of "
        "Z's coordinates.",
        Sweep("noise on Z", _NOISE, (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)),
    ),
    "hac-sampling": _swept(
        "HAC: exploring with slates (its Figure 10)",
        "No noise on Z; a share of the exploring slates is the best by Z, the others are drawn by their scores. The paper: best where all are.",
        Sweep("greedy share", _GREEDY, (0.0, 0.25, 0.5, 0.75, 1.0)),
        **{_NOISE: 0.0},
    ),
    "hac-actor": _swept(
        "HAC: how much the actor follows its critic (its Figure 11)",
        "The paper varies the learning rate of -Q; here its weight is varied.",
        Sweep("weight of -Q", _PROMISE, (0.0, 0.001, 0.01, 0.1, 1.0, 10.0)),
    ),
}
