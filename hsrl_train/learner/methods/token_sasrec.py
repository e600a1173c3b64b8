"""Token-level SASRec: HSRL's network under the two-sided likelihood alone; no reward, no value, no entropy, no search."""

from collections.abc import Mapping
from typing import Any

from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.policy import HsrlPolicy

_SUPERVISED: Mapping[str, Any] = {
    "likelihood": "two_sided",
    "likelihood_weight": 1.0,
    "likelihood_end_weight": None,
    "pg_weight": 0.0,
    "entropy_weight": 0.0,
}
_FIXED: Mapping[str, Mapping[str, Any]] = {
    "network": {"critic_trains_encoder": False},
    "losses": _SUPERVISED,
    "search": {"n_rounds": 0},
}

FROM_LOG = Method(
    "token_sasrec_log", Hsrl, HsrlPolicy.from_tensors, fixed={**_FIXED, "losses": {**_SUPERVISED, "answers": "logged"}}
)
METHOD = Method("token_sasrec", Hsrl, HsrlPolicy.from_tensors, fixed=_FIXED)
