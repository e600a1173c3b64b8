"""Bringing the tables of a warehouse that an earlier version made to the layout of this one: numbered steps, each one transaction.

A layout is known by the hash of its tables' columns, so that a warehouse says itself which step comes next, also after a kill. The views,
macros and the dictionary are made anew with the last step.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import WarehouseError
from pipeline.warehouse.readers import whole_copy
from pipeline.warehouse.schema import layout_in, layout_now, make_views, unknown_layout
from pipeline.warehouse.statements import Statement, statements
from pipeline.warehouse.storage import storage_of
from pipeline.warehouse.warehouse import Warehouse

_LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Migration:
    """A step from one layout to the next.

    Attributes:
        name: number and name.
        doc: what it changes, and what stays empty.
        before, after: layouts.
    """

    name: str
    doc: str
    before: str
    after: str
    sql: str

    @classmethod
    def of(cls, statement: Statement) -> "Migration":
        """As its file says."""
        return cls(statement.name, statement.doc, statement.header["from"], statement.header["to"], statement.sql)


def migrations() -> dict[str, Migration]:
    """Every step, by the layout it starts from."""
    return {step.before: step for step in map(Migration.of, statements("migrations"))}


def steps_from(layout: str) -> list[Migration] | None:
    """The steps from a layout to that of this version, none where it is of this version; None where no step leads there."""
    known, found = migrations(), list[Migration]()
    while layout != layout_now():
        if layout not in known:
            return None
        found.append(known[layout])
        layout = found[-1].after
    return found


def migrate(root: Path, run_id: str, say: Callable[[str], None], *, dry_run: bool = False) -> list[Migration]:
    """Apply the steps that a warehouse needs, each in a transaction of its own, after a copy of its catalogue.

    Args:
        root: folder of the warehouse.
        run_id: who asks.
        say: told what is done.
        dry_run: only find the steps.

    Returns:
        The steps; none where the warehouse is of this version's layout: then only its views and macros are made anew. Afterwards the last
        release is read by retrains as any other; earlier ones keep the tables of before and are refused by a line.

    Raises:
        WarehouseError: there is no warehouse, its layout is unknown, or another run is writing.
    """
    with Warehouse.open_any_layout(root) as lake, lake.writer(run_id, _LOCK_SECONDS, say):
        layout = layout_in(lake.connection)
        steps = steps_from(layout)
        if steps is None:
            raise WarehouseError(unknown_layout(str(lake.root)))
        note = {"run": run_id} | _of_last_release(lake)
        if steps and not dry_run:
            _keep_copy(lake, steps[0].name.partition("_")[0], say)
        for step in steps if not dry_run else ():
            with lake.transaction(f"migration {step.name}", note):
                lake.connection.execute(step.sql)
                if layout_in(lake.connection) != step.after:
                    raise WarehouseError(f"{lake.root}: {step.name} did not lead to layout {step.after}; nothing was changed")
                if step is steps[-1]:  # views of this version need its tables
                    make_views(lake.connection)
            say(f"{step.name}: done")
        if not steps and not dry_run:  # tables of this version may have views of one just before
            with lake.transaction("views of this version", note):
                make_views(lake.connection)
        return steps


def _of_last_release(lake: Warehouse) -> dict[str, int]:
    """Note that lets the last release be opened as of the migration: as of its own commit it has the tables of before."""
    [(last,)] = lake.connection.execute("SELECT max(release_id) FROM releases").fetchall()
    return {} if last is None else {"release": last}


def _keep_copy(lake: Warehouse, number: str, say: Callable[[str], None]) -> None:
    """Keep the catalogue as it was, beside it: of one in a file the newest copy, which every commit leaves, once it is found whole."""
    if storage_of(lake.root).dsn is not None:
        say("the catalogue is in PostgreSQL: no copy is made here; pg_dump makes one")
        return
    kept = lake.root / f"catalog.before-{number}.sqlite"
    with lake.commit_lock(f"copy before migration {number}"):
        copy = whole_copy(lake.root)
        if copy is None:
            raise WarehouseError(
                f"{lake.root}: no copy of its catalogue is whole, so none can be kept; make one with the hsrl of before: hsrl gc"
            )
        shutil.copyfile(copy, kept)
    say(f"{kept}: the catalogue as it was")
