"""Telling the learner's own slates from logged ones, for methods that learn from rewards and ends of sessions.

A slate of the log stands in a session whose end nobody knows, chosen with a probability that nobody knows: values would bootstrap for
ever there, and a policy gradient would have no policy. Such methods note a number with each slate of their own; what comes back as NaN is
the log's, and teaches the likelihood alone.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.replay import Batch
from hsrl_train.learner.supervision import Supervision
from pipeline.errors import TrainingError


def own_note(b: int) -> Float[Tensor, "b 1"]:
    """The note of a slate that the method chose itself."""
    return torch.zeros(b, 1)


def is_own(batch: Batch) -> Bool[Tensor, " b"]:
    """Which rows are slates that the method chose itself."""
    return ~batch.note.isnan().any(dim=1)


def own_rows(batch: Batch) -> Batch:
    """The batch without logged slates."""
    rows = is_own(batch)
    if rows.all():
        return batch
    own = {name: part[rows] for name, part in batch._asdict().items() if isinstance(part, Tensor)}
    asked = Supervision(*(part[rows] for part in batch.supervision))
    return batch._replace(**own, state_t=batch.state_t.select(rows), state_tp1=batch.state_tp1.select(rows), supervision=asked)


def require_own_sessions(config: LearnerConfig) -> None:
    """Raise TrainingError where a method that learns from its own sessions would have none in its batches."""
    if config.n_logged == config.schedule.batch_size:
        raise TrainingError(
            f"training: {config.method} learns from its own sessions, but batches hold logged slates alone; "
            'set answers = "drawn", or a smaller log_share, in [learner.losses]'
        )
