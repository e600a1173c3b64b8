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

from hsrl_train.data.memory import MEMORY

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
        log: every slate of the log, by user and position, the numbers of refused items negative. None where slates before the
            record's own are not known.
        row: of the record's own slate in ``log``.
        turn: slates that its user was shown before, those right above it in ``log``.
    """

    user: Int[Tensor, " N"]
    exposed: Int[Tensor, "N k"]
    feedback: Float[Tensor, "N k"]
    history: Int[Tensor, "N h"]
    is_train: Bool[Tensor, " N"]
    profiles: Float[Tensor, "n_users u"]
    log: Int[Tensor, "n_slates k"] | None = None
    row: Int[Tensor, " N"] | None = None
    turn: Int[Tensor, " N"] | None = None

    def select(self, rows: Tensor) -> "Records":
        """The records at ``rows`` (numbers or a mask); profiles and log stay whole."""
        own = {name: getattr(self, name) for name in ("user", "exposed", "feedback", "history", "is_train", "row", "turn")}
        return replace(self, **{name: part[rows] for name, part in own.items() if part is not None})

    def shown_before(self, memory: int) -> Int[Tensor, "N m"]:
        """The newest ``memory`` items that each record's user was shown before, as ``State.recent`` has them.

        m is ``memory``; 0 where the log is not known.
        """
        if self.log is None or self.row is None or self.turn is None or not memory:
            return self.history[:, :0]
        k = self.log.shape[1]
        n_slates = -(-memory // k)
        # Slates of the user from the oldest that fits to the newest, then padding: every row begins at its own oldest.
        n_kept = self.turn.clamp(max=n_slates)
        place = torch.arange(n_slates, device=self.row.device)
        slates = self.log[(self.row - n_kept)[:, None] + torch.minimum(place, n_kept[:, None])]
        shown = torch.where((place < n_kept[:, None])[..., None], slates, PADDING).flatten(1)
        too_many = (n_kept * k - memory).clamp_min(0)[:, None]
        places = too_many + torch.arange(memory, device=self.row.device)
        return torch.where(places < shown.shape[1], shown.gather(1, places.clamp(max=shown.shape[1] - 1)), PADDING).long()


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
    """The dataclass with each of its tensors there; what lies there already is not copied."""
    tensors = {field.name: value for field in fields(thing) if isinstance(value := getattr(thing, field.name), Tensor)}
    return replace(thing, **{name: tensor.to(device) for name, tensor in tensors.items()})


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
    n_items = int(records.exposed.max()) + 1
    pairs = records.user[:, None] * n_items + records.exposed
    return 1 - len(pairs.unique()) / pairs.numel()
