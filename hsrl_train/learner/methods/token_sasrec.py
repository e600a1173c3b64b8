"""Token-level SASRec: HSRL's network under the two-sided likelihood alone; no reward, no value, no entropy, no search."""

from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.policy import HsrlPolicy

_SUPERVISED = {
    "likelihood": "two_sided",
    "likelihood_weight": 1.0,
    "likelihood_end_weight": None,
    "pg_weight": 0.0,
    "entropy_weight": 0.0,
}
_FIXED = {"network": {"critic_trains_encoder": False}, "losses": _SUPERVISED, "search": {"n_rounds": 0}}

FROM_LOG = Method(
    "token_sasrec_log", Hsrl, HsrlPolicy.from_tensors, fixed={**_FIXED, "losses": {**_SUPERVISED, "answers": "logged"}}
)
METHOD = Method("token_sasrec", Hsrl, HsrlPolicy.from_tensors, fixed=_FIXED)
