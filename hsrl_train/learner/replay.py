"""The memory of transitions, as numbers of users and items rather than vectors."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hsrl_train.data.world import State
from hsrl_train.learner.supervision import Supervision


class Choice(NamedTuple):
    """What a learner shows b users, and what it wants to remember of how it chose.

    Attributes:
        slate: K different active items for each user.
        log_prob: log π(i | s) of each of them now; 0 where a method has no use for it.
        note: the method's own numbers, such as the goal that a slate was chosen for; they come back in ``Batch.note``. None = none.
    """

    slate: Int[Tensor, "b k"]
    log_prob: Float[Tensor, "b k"]
    note: Float[Tensor, "b w"] | None = None


class Transitions(NamedTuple):
    """b steps of sessions. The state after a step follows from what is here, also where the session ended.

    Attributes:
        user: row of the profiles.
        history: before the slate; item numbers, right-padded with 0.
        slate: what was shown.
        feedback: 1.0 = positive.
        reward: of the slate.
        is_done: whether the session ended with this step.
        recent: what the user was shown before the slate; see ``State``.
        log_prob: log π(i | s) of each shown item when it was shown.
        note: what the method noted when it chose; NaN for slates of the log, w = 0 where it notes nothing.
    """

    user: Int[Tensor, " b"]
    history: Int[Tensor, "b h"]
    slate: Int[Tensor, "b k"]
    feedback: Float[Tensor, "b k"]
    reward: Float[Tensor, " b"]
    is_done: Bool[Tensor, " b"]
    recent: Int[Tensor, "b m"]
    log_prob: Float[Tensor, "b k"]
    note: Float[Tensor, "b w"]


class Reads(NamedTuple):
    """What the updates of a method learn from in addition to the answers to its own slates.

    Attributes:
        asked_items: the simulators' answers of items that they were asked about beside the slate (``[learner.losses] n_asked``).
        logged_rows: people's answers to slates of the log (``log_share``).
    """

    asked_items: bool
    logged_rows: bool


class Batch(NamedTuple):
    """b transitions as a method learns from them: with profiles in place of users, and a reward of each item.

    ``state_t`` is before the slate, ``state_tp1`` after it. ``item_reward_t`` is ρ = y − c (1 − y) of the drawn or expected
    answers y; the slate's reward is its mean, unless the environment folds it.
    ``supervision`` is what the likelihood learns from; it begins with the slate. ``note`` is what the method noted when it chose the
    slate, NaN for slates of the log. ``feedback_t`` is what was answered, 0 or 1, and made ``state_tp1`` of ``state_t``.
    """

    state_t: State
    slate: Int[Tensor, "b k"]
    item_reward_t: Float[Tensor, "b k"]
    reward_t: Float[Tensor, " b"]
    done_t: Bool[Tensor, " b"]
    state_tp1: State
    log_prob: Float[Tensor, "b k"]
    supervision: Supervision
    note: Float[Tensor, "b w"]
    feedback_t: Float[Tensor, "b k"]


class Replay:
    """A ring of the newest transitions, sampled uniformly with repeats.

    Args:
        capacity: how many are kept; 1.1 KB each at H = 50, m = 200, K = 10.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.n_added = 0
        self._rows: Transitions | None = None

    def __len__(self) -> int:
        return min(self.n_added, self.capacity)

    @property
    def note_width(self) -> int:
        """w of the notes that are kept; 0 while there are none."""
        return 0 if self._rows is None else self._rows.note.shape[1]

    def add(self, new: Transitions) -> None:
        """Append b transitions; the oldest make room."""
        if self._rows is None:
            self._rows = Transitions(*(field.new_zeros(self.capacity, *field.shape[1:], dtype=_stored(field)) for field in new))
        rows = (self.n_added + torch.arange(len(new.user), device=new.user.device)) % self.capacity
        for kept, field in zip(self._rows, new, strict=True):
            kept[rows] = field.to(kept.dtype)
        self.n_added += len(new.user)

    def sample(self, n: int, generator: torch.Generator) -> Transitions:
        """n transitions drawn uniformly from those that are kept; item numbers and users as int64."""
        if self._rows is None:
            raise ValueError("the replay is empty; add transitions before sampling")
        rows = torch.randint(len(self), (n,), generator=generator).to(self._rows.user.device)
        return Transitions(*(_used(kept[rows]) for kept in self._rows))

    def to_tensors(self) -> dict[str, Tensor]:
        """What is kept, for a checkpoint."""
        kept = {} if self._rows is None else {name: row[: len(self)].clone() for name, row in self._rows._asdict().items()}
        return {"n_added": torch.tensor(self.n_added), **kept}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take over what ``to_tensors`` of a replay of the same capacity gave."""
        self.n_added = int(tensors["n_added"])
        self._rows = None
        if self.n_added:
            rows = []
            for name in Transitions._fields:
                row = tensors[name].new_zeros(self.capacity, *tensors[name].shape[1:])
                row[: len(self)] = tensors[name]
                rows.append(row)
            self._rows = Transitions(*rows)


def _stored(field: Tensor) -> torch.dtype:
    return torch.int32 if field.dtype == torch.int64 else field.dtype


def _used(field: Tensor) -> Tensor:
    return field.long() if field.dtype == torch.int32 else field
