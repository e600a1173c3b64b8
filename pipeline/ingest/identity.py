"""What makes two rows of a log the same event, and the bounds within which times and orders make sense."""

from dataclasses import dataclass
from datetime import UTC, datetime

# Times of a calendar lie after this; a log whose first delivery mostly lies before counts from a start of its own.
FLOOR = datetime(1990, 1, 1, tzinfo=UTC)
# An order may be so many times beyond nearly all others …
ORDER_FACTOR = 1_000
# … and this far in any case.
LEAST_LARGEST_ORDER = 1_000_000


@dataclass(frozen=True)
class Identity:
    """What distinguishes rows of the same user, item and time (or order).

    Attributes:
        columns: of RAW_EVENTS, in addition to user_id, item_id and occurred_at (or order).
        names: the same as the source's configuration calls them, for people.
        is_row: every row is an event of its own; equal rows are numbered.
    """

    columns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_row: bool = False


@dataclass(frozen=True)
class Bounds:
    """Where times and orders have to lie; None = anywhere.

    Attributes:
        earliest: no time before it.
        latest: no time after it.
        latest_is_floor: ``latest`` is ``FLOOR``, of a log that counts from a start of its own.
        largest_order: no order is above it.
    """

    earliest: datetime | None = None
    latest: datetime | None = None
    latest_is_floor: bool = False
    largest_order: int | None = None
