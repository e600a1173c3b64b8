"""What makes two rows of a log one event, and which times and places can be meant at all."""

from dataclasses import dataclass
from datetime import UTC, datetime

# Times of a calendar lie after this; a log whose first delivery mostly lies before counts from a start of its own.
FLOOR = datetime(1990, 1, 1, tzinfo=UTC)
# A place may be so many times beyond nearly all others …
ORDER_FACTOR = 1_000
# … and this far in any case.
LEAST_LARGEST_ORDER = 1_000_000


@dataclass(frozen=True)
class Identity:
    """What tells rows of one user, item and time (or place) apart.

    Attributes:
        columns: of RAW_EVENTS, beside user_id, item_id and occurred_at (or order).
        names: the same as the source's configuration calls them, for people.
        is_row: every row is an event of its own; equal ones are told apart by their number.
    """

    columns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_row: bool = False


@dataclass(frozen=True)
class Bounds:
    """Where times and places have to lie; None = anywhere.

    Attributes:
        earliest: no time before it.
        latest: no time after it.
        latest_is_floor: ``latest`` is ``FLOOR``, of a log that counts from a start of its own.
        largest_order: no place above it.
    """

    earliest: datetime | None = None
    latest: datetime | None = None
    latest_is_floor: bool = False
    largest_order: int | None = None
