"""The slot of Prefect that shows which run writes to a warehouse."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prefect.concurrency.asyncio import AcquireConcurrencySlotTimeoutError
from prefect.concurrency.sync import concurrency

# Slots for what holds the writer's lock all the time; `hsrl up` makes the limit. Without it the lock alone keeps the order.
WRITER_LIMIT = "hsrl-writer"
# A slot whose holder died is free again so soon, where the server keeps its leases on disk as that of `hsrl up` does.
LEASE_SECONDS = 60.0
# A server that kept them in memory and was begun again never frees it; the lock of the warehouse knows better who is alive.
PATIENCE_SECONDS = 600.0


@contextmanager
def writer_slot() -> Iterator[None]:
    """Hold the slot while the block runs; after ``PATIENCE_SECONDS`` go on without, as the warehouse's lock keeps the order."""
    with ExitStack() as stack:
        try:
            stack.enter_context(concurrency(WRITER_LIMIT, timeout_seconds=PATIENCE_SECONDS, lease_duration=LEASE_SECONDS))
        except AcquireConcurrencySlotTimeoutError:
            print(  # noqa: T201 Prefect logs it
                f"no slot of {WRITER_LIMIT} was free in {PATIENCE_SECONDS:.0f} seconds; going on, as the warehouse's lock keeps the order. "
                f"If no run is writing, free it: prefect gcl update {WRITER_LIMIT} --active-slots 0"
            )
        yield
