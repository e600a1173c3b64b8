"""A training that begins where the published policy stands, in place of random weights."""

from collections.abc import Mapping

from torch import Tensor

from hsrl_train.learner.checkpoint import load_module
from hsrl_train.learner.hsrl import Hsrl
from hsrl_train.learner.item_sasrec import ItemSasrec
from hsrl_train.learner.loop import Method
from pipeline.errors import TrainingError


def start_from(method: Method, tensors: Mapping[str, Tensor]) -> None:
    """Take over a policy's weights, the target network's too; moments and replay begin empty.

    Args:
        method: fresh.
        tensors: ``to_tensors`` of a policy under the same codebook.

    Raises:
        TrainingError: the policy is of another method, vocabulary, width or set of switches.
    """
    what = "warm start, published policy"
    if isinstance(method, Hsrl):
        tensors = {"foresight": method.network.foresight, **tensors}  # older policies have none
        load_module(method.network, tensors, what)
        load_module(method.target, tensors, what)
    elif isinstance(method, ItemSasrec):
        load_module(method.network, tensors, what)
    else:
        raise TrainingError(f"warm start: {type(method).__name__} has no weights to start from; set training.warm_start = false")
