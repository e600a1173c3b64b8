"""Records of a log with other answers."""

from jaxtyping import Float
from torch import Tensor

from hsrl_train.data.world import Records


def answered(records: Records, feedback: Float[Tensor, "N k"]) -> Records:
    """The same slates with these answers; what was shown before them is not known any more."""
    return Records.of(records.user, records.exposed, feedback, records.history, records.is_train, records.profiles)
