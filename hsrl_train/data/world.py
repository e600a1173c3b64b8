"""The tensors every learner, simulator and policy shares.

Items, users and records are dense numbers here; 0 is the padding item. Axes: b batch, k slate (K), h history (H), l levels (L),
v tokens (V), d width of an item vector, u width of a profile, n items.
"""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PADDING = 0
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
    """N slates with what came before them.

    Attributes:
        user: row of ``profiles``.
        exposed: the slate, item numbers 1 … n.
        feedback: 1.0 = positive, 0.0 = not.
        history: positives strictly before the slate, oldest first, padded with 0 on the right.
        is_train: the split.
        profiles: (n_users, u) standardised or one-hot user attributes; u may be 0.
    """

    user: Int[Tensor, " N"]
    exposed: Int[Tensor, "N k"]
    feedback: Float[Tensor, "N k"]
    history: Int[Tensor, "N h"]
    is_train: Bool[Tensor, " N"]
    profiles: Float[Tensor, "n_users u"]

    def select(self, rows: Tensor) -> "Records":
        """The records at ``rows`` (numbers or a mask); profiles stay whole."""
        return Records(
            self.user[rows], self.exposed[rows], self.feedback[rows], self.history[rows], self.is_train[rows], self.profiles
        )


class State(NamedTuple):
    """What a policy and a simulator see of b users.

    Attributes:
        profile: attributes of the user.
        history: liked items, oldest first, padded with 0 on the right; the number of items is the count of non-zeros.
        recent: what the running session has shown, liked or not, oldest first and padded alike; the number of a refused item is
            negative. None, or m = 0, where nothing of it is remembered (``[environment] memory``).
    """

    profile: Float[Tensor, "b u"]
    history: Int[Tensor, "b h"]
    recent: Int[Tensor, "b m"] | None = None

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

    def logits(self, state: State, slate: Int[Tensor, "b k"]) -> Float[Tensor, "b k"]:
        """Log-odds of a positive answer for each shown item."""
        ...

    def all_logits(self, state: State) -> Float[Tensor, "b n_plus_1"]:
        """The same for every item of the catalogue; -inf for padding and inactive items."""
        ...


def on_device(thing: Placed, device: str) -> Placed:
    """The dataclass with each of its tensors there; what lies there already is not copied."""
    tensors = {field.name: value for field in fields(thing) if isinstance(value := getattr(thing, field.name), Tensor)}
    return replace(thing, **{name: tensor.to(device) for name, tensor in tensors.items()})


def remembered(state: State) -> Int[Tensor, "b m"]:
    """``state.recent`` as a tensor; of width 0 where nothing is remembered."""
    return state.history[:, :0] if state.recent is None else state.recent


def states_of(records: Records) -> State:
    """The state before each record's slate was shown."""
    return State(records.profiles[records.user], records.history)
