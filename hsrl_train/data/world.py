"""The tensors every learner, simulator and policy shares.

Items, users and records are dense numbers here; 0 is the padding item. Axes: b batch, k slate (K), h history (H), l levels (L),
v tokens (V), d width of an item vector, u width of a profile, n items.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from hsrl_train.data.log import PADDING, Log
from hsrl_train.data.memory import MEMORY

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Records whose columns are worked through at once where all are: some MB.
BATCH = 16_384
Placed = TypeVar("Placed", bound="DataclassInstance")


@dataclass(frozen=True)
class Catalogue:
    """n items, numbered 1 … n in the order of ``item_ids``; row 0 of every tensor is the padding item.

    Attributes:
        item_ids: (n,) int64, rising: the canonical ids.
        vectors: what a simulator sees of an item, standardised per coordinate; zeros for padding.
        tokens: Semantic IDs; -1 at every level for padding and for an item without a SID.
        vocabulary: V_l for each level.
        is_active: true where the item may be shown; false for padding.
        popularity: positives in the training records, a count.
        first_seen: when an item came, as any number that grows with time; None where the log tells no times.
    """

    item_ids: npt.NDArray[np.int64]
    vectors: Float[Tensor, "n_plus_1 d"]
    tokens: Int[Tensor, "n_plus_1 l"]
    vocabulary: tuple[int, ...]
    is_active: Bool[Tensor, " n_plus_1"]
    popularity: Float[Tensor, " n_plus_1"]
    first_seen: Float64[Tensor, " n_plus_1"] | None = None

    @property
    def device(self) -> torch.device:
        """Where its tensors lie, and so where what is built upon them computes."""
        return self.vectors.device


@dataclass(frozen=True)
class Records:
    """N slates of a log with what came before them.

    Selecting copies nothing: a column is gathered from the log when it is asked for, so that a batch costs the memory of a batch
    wherever the log lies. Asking for a column of all records takes the memory of that column.

    Attributes:
        log: every slate.
        rows: which of them, int64; None = all.
    """

    log: Log
    rows: Int[Tensor, " N"] | None = None

    @classmethod
    def of(
        cls,
        user: Int[Tensor, " N"],
        exposed: Int[Tensor, "N k"],
        feedback: Float[Tensor, "N k"],
        history: Int[Tensor, "N h"],
        is_train: Bool[Tensor, " N"],
        profiles: Float[Tensor, "n_users u"],
    ) -> "Records":
        """All slates of a log that is given as the properties below have it; slates before a record's own are not known."""
        is_like = history != PADDING
        shown = torch.where(feedback > 0, exposed, -exposed).to(torch.int32)
        likes = torch.cat([history.new_zeros(1), history[is_like]]).to(torch.int32)
        ends = torch.cat([history.new_ones(1), 1 + is_like.sum(dim=1).cumsum(0)])
        return cls(Log(user.to(torch.int32), shown, likes, ends, is_train, profiles, history.shape[1]))

    def __len__(self) -> int:
        """N."""
        return len(self.log.user) if self.rows is None else len(self.rows)

    @property
    def device(self) -> torch.device:
        """Where the log lies."""
        return self.log.user.device

    @property
    def k(self) -> int:
        """K, the items of a slate."""
        return self.log.shown.shape[1]

    @property
    def history_length(self) -> int:
        """H, places of a history."""
        return self.log.history_length

    @property
    def profiles(self) -> Float[Tensor, "n_users u"]:
        """Standardised or one-hot attributes of all users; u may be 0."""
        return self.log.profiles

    @property
    def user(self) -> Int[Tensor, " N"]:
        """Row of ``profiles``."""
        return self._of(self.log.user).long()

    @property
    def exposed(self) -> Int[Tensor, "N k"]:
        """The slate, item numbers 1 … n."""
        return self._of(self.log.shown).abs().long()

    @property
    def feedback(self) -> Float[Tensor, "N k"]:
        """1.0 = positive, 0.0 = not."""
        return (self._of(self.log.shown) > 0).float()

    @property
    def history(self) -> Int[Tensor, "N h"]:
        """Positives strictly before the slate, oldest first, padded with 0 on the right."""
        return self.log.history(self._numbers())

    @property
    def is_train(self) -> Bool[Tensor, " N"]:
        """The split."""
        return self._of(self.log.is_train)

    def select(self, rows: Tensor) -> "Records":
        """The records at ``rows`` (numbers or a mask)."""
        numbers = rows.nonzero().squeeze(1) if rows.dtype == torch.bool else rows
        return replace(self, rows=numbers if self.rows is None else self.rows[numbers])

    def batches(self, size: int = BATCH) -> Iterator["Records"]:
        """The records in their order, ``size`` at a time."""
        for begin in range(0, len(self), size):
            yield self.select(torch.arange(begin, min(begin + size, len(self)), device=self.device))

    def shown_before(self, memory: int) -> Int[Tensor, "N m"]:
        """The newest ``memory`` items that each record's user was shown before, as ``State.recent`` has them.

        m is ``memory``; 0 where slates before the record's own are not known.
        """
        return self.log.shown_before(self._numbers(), memory)

    def _of(self, column: Tensor) -> Tensor:
        return column if self.rows is None else column[self.rows]

    def _numbers(self) -> Int[Tensor, " N"]:
        return torch.arange(len(self), device=self.device) if self.rows is None else self.rows


class State(NamedTuple):
    """What a policy and a simulator see of b users.

    Attributes:
        profile: attributes of the user.
        history: liked items, oldest first, padded with 0 on the right; the number of items is the count of non-zeros.
        recent: the newest items that the user was shown, in the log and in the running session, liked or not, oldest first and padded
            alike; the number of a refused item is negative. None, or m = 0, where none is remembered (``[environment] memory``).
        user: whose state it is, a row of ``Records.profiles``. Judges that know users by number read it, policies do not. None
            where nobody asks.
    """

    profile: Float[Tensor, "b u"]
    history: Int[Tensor, "b h"]
    recent: Int[Tensor, "b m"] | None = None
    user: Int[Tensor, " b"] | None = None

    def select(self, rows: Tensor) -> "State":
        """The states at ``rows`` (numbers or a mask)."""
        return State(*(None if part is None else part[rows] for part in self))  # type: ignore[arg-type]


class Policy(Protocol):
    """Whatever chooses slates."""

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """K different active items for each user; ``generator`` feeds whatever is random about the choice."""
        ...


class ResponseModel(Protocol):
    """Whatever answers slates: a fitted user response model."""

    def to(self, device: str) -> object:
        """Move all tensors there."""
        ...

    def tastes(self, state: State, generator: torch.Generator) -> Float[Tensor, "b w"]:
        """What of each user stays as it is for a whole session that begins in ``state``; w may be 0.

        A model of users whose taste is hidden draws it here, from what the state leaves open.
        """
        ...

    def logits(self, state: State, slate: Int[Tensor, "b k"], tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b k"]:
        """Log-odds of a positive answer for each shown item.

        Args:
            state: of b users now.
            slate: item numbers.
            tastes: of their sessions; None = what can be foretold from the state alone.
        """
        ...

    def all_logits(self, state: State, tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b n_plus_1"]:
        """The same for every item of the catalogue; -inf for padding and inactive items."""
        ...


def on_device(thing: Placed, device: str) -> Placed:
    """The dataclass with each of its tensors there, those of dataclasses in it too; what lies there already is not copied."""

    def placed(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(device)
        return on_device(value, device) if is_dataclass(value) and not isinstance(value, type) else value

    return replace(thing, **{field.name: placed(getattr(thing, field.name)) for field in fields(thing)})


def remembered(state: State) -> Int[Tensor, "b m"]:
    """``state.recent`` as a tensor; of width 0 where nothing is remembered."""
    return state.history[:, :0] if state.recent is None else state.recent


def newest(items: Int[Tensor, "b h"], width: int) -> Int[Tensor, "b width"]:
    """The ``width`` newest items of right-padded lists, right-padded alike."""
    n_items = (items != PADDING).sum(dim=1, keepdim=True)
    places = (n_items - width).clamp(min=0) + torch.arange(width, device=items.device)
    padded = torch.nn.functional.pad(items, (0, width))
    return padded.gather(1, places)


def states_of(records: Records, memory: int = MEMORY) -> State:
    """The state before each record's slate was shown, with what the log showed its user before."""
    return State(records.profiles[records.user], records.history, records.shown_before(memory), records.user)


def share_shown_again(records: Records) -> float:
    """Share of the places of the log whose item its user had been shown before, in [0, 1]."""
    counts = torch.bincount(records.user, minlength=len(records.profiles))
    part = (counts.cumsum(0) - counts) // (16 * BATCH)  # of users by the records before theirs: a user's records are in one part
    parts, n_first = part[records.user], 0
    for number in part.unique().tolist():
        some = records.select(parts == number)
        n_first += len((some.user[:, None] * 2**32 + some.exposed).unique())
    return 1 - n_first / (len(records) * records.k)
