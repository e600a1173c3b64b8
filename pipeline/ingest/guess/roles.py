"""Which column of a sample is what: by its name where it has one, by its cells where it has none."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.ingest.cells import JOINED
from pipeline.ingest.guess.content import (
    Answer,
    TimeForm,
    answer_form,
    is_clock,
    is_few,
    is_place_within,
    time_form,
)
from pipeline.ingest.guess.form import Sample
from pipeline.ingest.guess.listed import Listed, listed
from pipeline.ingest.guess.names import named, plain

_SIDE = ("request", "session", "position", "policy", "propensity")


@dataclass
class Roles:
    """What the columns of an event file are, as settings of ``[source]``.

    Attributes:
        columns: role → column or columns.
        settings: what else of the source follows from them.
        doubts: what was uncertain, a sentence each.
        missing: what a log needs and this file has not, in words.
        unread: a column that is named like a time, but whose cells are in no form that is known, and such a cell.
        names: for a file without a header the names of its columns.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unread: tuple[str, str] | None = None
    names: list[str] = field(default_factory=list)

    @property
    def is_log(self) -> bool:
        """Whether the file has users and items."""
        return {"user", "item"} <= self.columns.keys()


def roles_of(sample: Sample, catalogue: Collection[str] = ()) -> Roles:
    """What the columns of a table are; of a file without users or items ``is_log`` is false.

    Args:
        sample: the table.
        catalogue: ids of a list of items, by which ids that look like lists are told from lists.
    """
    roles = Roles()
    if sample.has_names:
        _ids_by_name(sample, roles)
    if not roles.columns and (not sample.has_names or not named("user", sample.names)):
        _ids_by_cells(sample, roles)
    if not roles.is_log:
        return roles
    taken = set(_flat(roles.columns))
    _find_time(sample, roles, taken)
    _find_order(sample, roles, taken)
    _find_lists(sample, roles, catalogue)
    if roles.missing and not sample.has_names:  # two columns of ids alone may be anything
        return Roles()
    _find_answer(sample, roles, taken)
    if sample.has_names:
        for role in _SIDE:
            if left := [name for name in named(role, sample.names) if name not in taken]:
                roles.columns[role] = left[0]
                taken.add(left[0])
    if categories := [name for name in named("categories", sample.names) if name not in taken]:
        roles.columns["categories"] = categories
    if not sample.has_names:
        _name_columns(sample, roles)
    return roles


def _flat(columns: dict[str, Any]) -> list[str]:
    return [name for value in columns.values() for name in ([value] if isinstance(value, str) else value)]


def _ids_by_name(sample: Sample, roles: Roles) -> None:
    users, items = named("user", sample.names), named("item", sample.names)
    items = [name for name in items if name not in users]
    if items:
        roles.columns["item"] = items[0]
        if len(items) > 1:
            roles.doubts.append(f"whether items are {items[0]} or {' or '.join(items[1:4])}; {items[0]} was taken")
    if users:
        roles.columns["user"] = users[0]
        if len(users) > 1:
            roles.doubts.append(f"whether users are {users[0]} or {' or '.join(users[1:4])}; {users[0]} was taken")
        return
    features = [name for name in sample.names if re.fullmatch(r"userfeature\d*", plain(name))]
    if len(features) > 1 and items:
        roles.columns["user"] = features
        roles.doubts.append(f"no column names users; {', '.join(features)} together were taken for a user")
        return
    sessions = named("session", sample.names)
    if items and sessions:
        roles.columns["user"] = sessions[0]
        roles.doubts.append(f"no column names users; each {sessions[0]} was taken for a user")


def _ids_by_cells(sample: Sample, roles: Roles) -> None:
    """Of a file without names the first two columns that may be ids: users, then items."""
    if sample.kind == "sequences":
        roles.columns |= {"user": "user", "item": "items"}
        return
    ids = []
    for at, name in enumerate(sample.names):
        values = sample.column(name)
        few = len(values) >= 20 and is_few(values) and at > 1
        words = any(re.search(r"\s", value) for value in values)
        fraction = any(re.fullmatch(r"-?\d+\.\d+", value) for value in values)
        if values and not words and not fraction and not few and time_form(values, is_named=False) is None:
            ids.append(name)
    has_time = any(time_form(sample.column(name), is_named=False) for name in sample.names)
    if len(ids) < 2 or (not has_time and (sample.has_names or _is_list_of_things(sample, sample.names[0]))):
        return
    roles.columns |= {"user": ids[0], "item": ids[1]}
    if sample.has_names:
        roles.doubts.append(f"no column is named like users or items; {ids[0]} was taken for users, {ids[1]} for items")
    else:
        roles.doubts.append("it has no header: the first column of ids was taken for users, the next for items")


def _is_list_of_things(sample: Sample, first: str) -> bool:
    """Whether each row tells of another thing, so that a file without times is a list of items or users and no log."""
    values = sample.column(first)
    return len(values) >= 5 and len(set(values)) == len(values)


def _find_time(sample: Sample, roles: Roles, taken: set[str]) -> None:
    found: list[tuple[str, TimeForm]] = []
    for name in named("time", sample.names) if sample.has_names else ():
        values = [] if name in taken else sample.column(name)
        if form := time_form(values, is_named=True):
            found.append((name, form))
        elif values and roles.unread is None:
            roles.unread = name, values[0]
    if not found:
        for name in sample.names:
            if name not in taken and (form := time_form(sample.column(name), is_named=False)):
                found.append((name, form))
                if sample.has_names:
                    roles.doubts.append(f"no column is named like a time; {name} holds what looks like times")
                break
    if not found:
        if roles.unread:
            roles.doubts.append(f"{roles.unread[0]}: {roles.unread[1]} is a time in no form that is known here; set time_format")
        return
    # Of a day and a moment the moment; of equals the likelier name, which stands first.
    name, form = max(
        found,
        key=lambda each: (not each[1].has_own_start, not each[1].doubts or len(found) == 1, len(set(sample.column(each[0])))),
    )
    roles.columns["time"] = name
    roles.settings |= form.settings
    roles.doubts += [f"{name}: {doubt}" for doubt in form.doubts]
    taken.add(name)
    if form.has_days_alone(sample.column(name)):
        _note_clocks(sample, roles, name)


def _note_clocks(sample: Sample, roles: Roles, day: str) -> None:
    """Says which columns hold the time of the day, where that of the time holds days; rows of a day stay events of their own."""
    clocks = [name for name in sample.names if name != day and is_clock(name, sample.column(name))]
    if not clocks:
        return
    roles.settings["identity"] = "row"
    roles.doubts.append(
        f"{', '.join(clocks)} was not used, since times are read from a single column: all rows of a day have the same moment, and "
        f'identity = "row" keeps those that are alike; better write both into a column, such as {sample.column(day)[0]} '
        f"{sample.column(clocks[0])[0]}"
    )


def _find_order(sample: Sample, roles: Roles, taken: set[str]) -> None:
    """The place within the user, where no time is known."""
    if "time" in roles.columns or sample.kind == "sequences":
        return
    user = roles.columns["user"]
    users = [
        "\0".join(row[sample.names.index(name)] for name in ([user] if isinstance(user, str) else user)) for row in sample.rows
    ]
    candidates = named("order", sample.names) if sample.has_names else [*reversed(sample.names)]
    for name in candidates:
        if name not in taken and is_place_within(users, sample.column(name)):
            roles.columns["order"] = name
            roles.doubts.append(f"{name} was taken for the place of a row within its user; no time is known")
            taken.add(name)
            return


def _find_lists(sample: Sample, roles: Roles, catalogue: Collection[str]) -> None:
    """Items that come as lists: a row is then a slate, or all that a user did."""
    item = roles.columns["item"]
    if sample.kind == "sequences":
        roles.settings |= {"lists": ["item"], "list_separator": " "}
        return
    found = listed(sample, item, catalogue) if isinstance(item, str) else Listed()
    if found.mark is not None:
        roles.settings["lists"] = ["item"]
        roles.settings |= {} if found.mark == JOINED else {"list_separator": found.mark}
        roles.doubts.append(f"{item} holds lists of items; each row was taken for a slate")
        return
    if found.alike is not None:
        roles.doubts.append(
            f'{item}: each cell, such as {sample.column(item)[0]}, was taken for an id; lists = ["item"] and list_separator = '
            f'"{found.alike}" read lists'
        )
    roles.settings |= {"ids": "text"} if found.is_text else {}
    if "time" not in roles.columns and "order" not in roles.columns:
        roles.missing.append("a column of times, or of the order of a user's events")


def _find_answer(sample: Sample, roles: Roles, taken: set[str]) -> None:
    answers = dict.fromkeys(named("feedback", sample.names), False) | dict.fromkeys(named("value", sample.names), True)
    if not sample.has_names:
        answers = {name: False for name in sample.names if name not in taken and is_few(sample.column(name))}
    usable: list[tuple[str, Answer]] = []
    for name, is_value in answers.items():
        values = _elements(sample.column(name), roles) if roles.settings.get("lists") else sample.column(name)
        if name not in taken and (form := answer_form(values, is_value=is_value)):
            usable.append((name, form))
    if not usable:
        roles.settings["positive"] = "all"
        if sample.kind != "sequences":
            roles.doubts.append("no column of answers was found; every row was taken for a positive")
        return
    name, answer = usable[0]
    roles.columns[answer.role] = name
    roles.settings |= answer.settings
    roles.doubts += [f"{name}: {doubt}" for doubt in answer.doubts]
    if len(usable) > 1:
        roles.doubts.append(f"whether the answer is {name} or {' or '.join(each for each, _ in usable[1:4])}; {name} was taken")
    if roles.settings.get("lists") and len(_elements(sample.column(name), roles)) > len(sample.column(name)):
        roles.settings["lists"] = ["item", answer.role]
    taken.add(name)


def _elements(values: Sequence[str], roles: Roles) -> list[str]:
    mark = roles.settings.get("list_separator", JOINED)
    return [part.strip() for value in values for part in value.split(mark)]


def _name_columns(sample: Sample, roles: Roles) -> None:
    """Names for the columns of a file that has none: what they are, where that is known."""
    if sample.kind == "sequences":
        return
    to_name = {column: role for role, column in roles.columns.items() if isinstance(column, str)}
    roles.names = [to_name.get(name, name) for name in sample.names]
    roles.columns = {role: role if isinstance(column, str) else column for role, column in roles.columns.items()}
