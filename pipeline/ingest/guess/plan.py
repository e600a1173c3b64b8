"""Which of several files is the log, its catalogue, its users; and the settings of ``[source]`` that read them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.errors import SourceError
from pipeline.ingest.guess.form import Sample, samples_of
from pipeline.ingest.guess.location import location
from pipeline.ingest.guess.names import named, plain
from pipeline.ingest.guess.published import fits_list, kind_of, movielens_members, text_settings
from pipeline.ingest.guess.roles import Roles, roles_of
from pipeline.ingest.zip_members import members_of

_ABOUT_USERS = re.compile(r"user|customer|member|account|visitor|profile")
_FEW = 8


@dataclass
class Plan:
    """The settings that read a log, with absolute paths, and what is uncertain of them.

    Attributes:
        source: the section ``[source]``.
        doubts: a sentence each.
        log: names of the event files, for people.
        is_open: whether a last line has no line end.
    """

    source: dict[str, Any]
    doubts: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    is_open: bool = False


def plan_of(files: Sequence[Path]) -> Plan:
    """Look at the files and decide what they are.

    Raises:
        EmptyFileError: a file has no rows.
        SourceError: a file is missing or no table, none of them is a log, or there are several logs.
    """
    absolute = list(dict.fromkeys(file.absolute() for file in files))
    if (archive := _movielens(absolute)) is not None:
        return archive
    looked_at = [sample for file in absolute for sample in samples_of(file)]
    samples, faulty = [each for each in looked_at if not each.fault], [each for each in looked_at if each.fault]
    if not samples and faulty[0].fault:
        raise faulty[0].fault
    kinds = [kind_of(sample) for sample in samples]
    roles = [roles_of(sample) for sample in samples]
    logs = [at for at, found in enumerate(roles) if kinds[at] or (found.is_log and samples[at].kind != "map")]
    if len(logs) > 1:
        logs = _without_lists(logs, samples, roles, kinds)
    if not logs:
        raise _no_log(samples[0], roles[0])
    chosen = _of_same_form(logs, samples, kinds)
    first = logs[0]
    others = [samples[at] for at in range(len(samples)) if at not in logs]
    if catalogue := _ids_of_items(others, kinds[first]):
        roles[first] = roles_of(samples[first], catalogue)
        if kinds[first] is None and not roles[first].is_log:
            raise _no_log(samples[first], roles[first])
    if kinds[first] is None and roles[first].missing and (unread := roles[first].unread):
        raise SourceError(
            f"{samples[first].label}: column {unread[0]} is named like a time, but {unread[1][:60]} is in no form that is known here; "
            "write the columns by hand in a copy of flows/configs/table.toml, with time_format as strptime writes it, such as "
            '"%d/%m/%Y %H:%M", or write the times as seconds since 1970'
        )
    if kinds[first] is None and roles[first].missing:
        raise SourceError(
            f"{samples[first].label}: has users ({_shown(roles[first].columns['user'])}) and items "
            f"({_shown(roles[first].columns['item'])}), but lacks {' and '.join(roles[first].missing)}; its columns are "
            f"{_few(samples[first].names)}: add one, as column time or order"
        )
    empty = [each for each in faulty if each.names and each.names == samples[first].names]
    place = {(each.path, each.member): at for at, each in enumerate(looked_at)}
    chosen = sorted([*chosen, *empty], key=lambda each: place[each.path, each.member])
    return _plan(chosen, kinds[first], roles[first], others, [each for each in faulty if each not in chosen])


def _shown(columns: str | list[str]) -> str:
    return columns if isinstance(columns, str) else " + ".join(columns)


def _few(names: Sequence[str]) -> str:
    shown = [name or "(without a name)" for name in names[:_FEW]]
    return f"{', '.join(shown)}{' …' if len(names) > _FEW else ''}"


def _movielens(files: Sequence[Path]) -> Plan | None:
    """MovieLens by its zip or folder, perhaps with a ratings file of its own."""
    for file in files:
        members: Sequence[str] = []
        if file.is_dir():
            members = [each.name for each in file.iterdir() if each.is_file()]
        elif file.suffix == ".zip" and file.is_file():
            members = members_of(file, "*") or []
        if not movielens_members(members):
            continue
        plan = Plan({"kind": "movielens", "path": file}, [], [file.name])
        others = [other for other in files if other != file]
        if len(others) > 1:
            raise SourceError(
                f"{file}: MovieLens, beside which one file of ratings may be named, not {len(others)}; leave some out"
            )
        for other in others:
            found = roles_of(samples_of(other)[0])
            plan.source |= {"ratings": other, "ratings_order": "rank" if "order" in found.columns else "time"}
            plan.doubts += [f"{other.name}: {doubt}" for doubt in found.doubts]
            plan.log = [other.name]
        plan.doubts.append("more than 3 stars are positive; else set positive_above")
        return plan
    return None


def _without_lists(logs: list[int], samples: Sequence[Sample], roles: Sequence[Roles], kinds: Sequence[str | None]) -> list[int]:
    """The logs without files that only look like them: those of another form without a time, where others have one."""
    timed = [at for at in logs if kinds[at] or {"time", "order"} & roles[at].columns.keys()]
    return timed or logs


def _of_same_form(logs: Sequence[int], samples: Sequence[Sample], kinds: Sequence[str | None]) -> list[Sample]:
    """The samples of a log, with settings that read all of them.

    Raises:
        SourceError: they have other columns, forms or encodings.
    """
    first, *others = [samples[at] for at in logs]
    if kinds[logs[0]] is not None and len({kinds[at] for at in logs}) == 1:
        return [first, *others]
    text = first.text
    for n_read, other in enumerate(others, start=1):
        both = f"{first.label} and {other.label}"
        found = _reading_both(text, all(map(_is_ascii, [first, *others[: n_read - 1]])), other)
        encodings = [each.get("encoding", "utf-8") for each in (text, other.text)]
        has_same_columns = (other.names, other.kind) == (first.names, first.kind)
        if found is None and has_same_columns and len(set(encodings)) > 1:
            raise SourceError(
                f"{both}: files of different encodings, {' and '.join(encodings)}; write those of a log in the same: "
                f"iconv -f {next(each for each in encodings if each != 'utf-8')} -t utf-8 FILE > NEW_FILE"
            )
        if found is None or not has_same_columns:
            raise SourceError(
                f"{both}: {len(logs)} logs of different columns or forms ({_few(first.names)}; {_few(other.names)}); name files of one "
                "log at a time"
            )
        text = found
    return [replace(sample, text=text) for sample in (first, *others)]


def _reading_both(text: Mapping[str, Any], is_ascii: bool, other: Sample) -> dict[str, Any] | None:
    """Settings that read a further file as well; None where there are none.

    Args:
        text: settings that read the files before.
        is_ascii: whether these have no other letters, so that every encoding reads them.
        other: the further file.
    """
    mine, its = dict(text), dict(other.text)
    if "multiline" in mine or "multiline" in its:  # a file without such fields is read by it too
        mine["multiline"] = its["multiline"] = True
    if is_ascii and "encoding" not in mine and "encoding" in its:
        mine["encoding"] = its["encoding"]
    elif _is_ascii(other) and "encoding" not in its and "encoding" in mine:
        its["encoding"] = mine["encoding"]
    elif {mine.get("encoding"), its.get("encoding")} == {"latin-1", "cp1252"}:  # which is the former and more
        mine["encoding"] = its["encoding"] = "cp1252"
    return mine if mine == its else None


def _is_ascii(sample: Sample) -> bool:
    return all(cell.isascii() for row in sample.rows for cell in row)


def _no_log(sample: Sample, found: Roles) -> SourceError:
    """Says of a file what it is, and what a log has that it lacks."""
    columns = f"its columns are {_few(sample.names)}" if sample.has_names else f"{len(sample.names)} columns without names"
    if sample.kind == "map":
        what, lacks = "a JSON object of ids, as a list of items", "users and events"
    elif "item" in found.columns or (sample.has_names and named("item", sample.names)):
        what, lacks = "a list of items", "a column of users"
    elif (sample.has_names and named("user", sample.names)) or _ABOUT_USERS.search(sample.label.lower()):
        what, lacks = "a list of users", "a column of items"
    else:
        what, lacks = "a table", "columns of users and of items that are named so, or that hold ids that come again"
    return SourceError(
        f"{sample.label}: {what}, and no log: it lacks {lacks} ({columns}); name the log too: hsrl init LOG {sample.path.name}, or write "
        "the columns by hand in a copy of flows/configs/table.toml"
    )


def _plan(chosen: Sequence[Sample], kind: str | None, roles: Roles, others: Sequence[Sample], faulty: Sequence[Sample]) -> Plan:
    first = next(sample for sample in chosen if not sample.fault)
    located, doubts = location(chosen, faulty)
    plan = Plan({"kind": kind or "table"}, log=[sample.label for sample in chosen])
    plan.is_open = any(sample.is_open for sample in chosen)
    if kind is not None:
        plan.source |= located | text_settings(kind, None, first)
        plan.doubts = [f"{first.label} looks like the published log {kind}, and was taken for it", *doubts]
    else:
        plan.source |= located | dict(first.text)
        if not first.has_names and first.kind == "text":
            plan.source |= {"has_header": False, "names": roles.names}
        ids = {role: roles.columns[role] for role in ("user", "item")}  # which stand first
        plan.source |= roles.settings | {"columns": ids | roles.columns}
        of_files = dict.fromkeys(doubt for sample in chosen for doubt in sample.doubts if not sample.fault)
        plan.doubts = [*of_files, *roles.doubts, *doubts]
    _add_lists(plan, kind, others)
    plan.doubts += [f"{sample.label} is left out: {sample.why}" for sample in faulty[:_FEW]]
    if len(faulty) > _FEW:
        plan.doubts.append(f"{len(faulty) - _FEW} more are left out, such as {faulty[-1].label}: {faulty[-1].why}")
    return plan


def _add_lists(plan: Plan, kind: str | None, others: Sequence[Sample]) -> None:
    """The catalogue and the user file among the other files; what is neither is said."""
    left: list[str] = []
    for what in ("items", "users"):
        fitting = [sample for sample in others if _is_list(what, kind, sample)]
        if not fitting:
            continue
        located, doubts = location([sample for sample in fitting if sample.names == fitting[0].names])
        plan.source[what] = located | _list_settings(what, kind, fitting[0])
        plan.doubts += doubts
        taken = fitting[0].names
        others = [sample for sample in others if sample not in fitting or sample.names != taken]
    left = [sample.label for sample in others]
    if left:
        plan.doubts.append(f"what {_few(left)} {'is' if len(left) == 1 else 'are'} for; left out")


def _ids_of_items(others: Sequence[Sample], kind: str | None) -> set[str]:
    """The first ids of the lists of items among other files."""
    found = set[str]()
    for sample in others:
        if kind is None and sample.kind != "map" and _is_list("items", kind, sample):
            found.update(sample.column(named("item", sample.names)[0] if sample.has_names else sample.names[0]))
    return found


def _is_list(what: str, kind: str | None, sample: Sample) -> bool:
    if kind is not None and fits_list(kind, what, sample):
        return True
    if kind is not None and sample.kind != "text":
        return False
    if sample.kind == "map":
        return what == "items"
    role = "item" if what == "items" else "user"
    other = "user" if what == "items" else "item"
    if sample.has_names:
        return bool(named(role, sample.names)) and not named(other, sample.names)
    about_users = bool(_ABOUT_USERS.search(sample.label.lower())) or sample.label.lower().endswith(".user")
    return len(sample.names) > 1 and about_users == (what == "users")


def _list_settings(what: str, kind: str | None, sample: Sample) -> dict[str, Any]:
    if kind is not None and fits_list(kind, what, sample):
        return text_settings(kind, what, sample)
    if sample.kind == "map":
        return {"format": "map", "columns": {"item": "key", "categories": ["value"]}}
    settings: dict[str, Any] = dict(sample.text)
    role = "item" if what == "items" else "user"
    if not sample.has_names:
        names = [role, *sample.names[1:]]
        if what == "items" and len(names) > 1:
            names[1] = "title"
        settings |= {"has_header": False, "names": names}
    else:
        names = list(sample.names)
    columns: dict[str, Any] = {role: role if not sample.has_names else named(role, names)[0]}
    if what == "items":
        columns |= _words_of_items(names, columns["item"])
        if not sample.has_names and (parted := _parted_column(sample)) is not None:
            columns["categories"] = [names[parted]]
        parts = [cell for name in columns.get("categories", ()) for cell in sample.column(sample.names[names.index(name)])]
        if 5 * sum("|" in cell for cell in parts) > len(parts) > 0:
            settings["category_separator"] = "|"
    return settings | {"columns": columns}


def _parted_column(sample: Sample) -> int | None:
    """Where in a list of items without a header a column holds several categories a cell, as Action|Comedy."""
    for at, name in enumerate(sample.names[2:], start=2):
        values = sample.column(name)
        if 5 * sum("|" in value for value in values) > len(values) > 0:
            return at
    return None


def _words_of_items(names: Sequence[str], item: str) -> dict[str, Any]:
    titles = [name for name in named("title", names) if name != item]
    categories = [name for name in named("categories", names) if name not in (item, *titles[:1])]
    found: dict[str, Any] = {"title": titles[0]} if titles else {}
    return found | ({"categories": categories} if categories else {})


def name_of(plan: Plan) -> str:
    """A name for the source: of a published log its kind, else the file's without a date, as other days' files may follow."""
    path = Path(plan.source["path"])
    if plan.source["kind"] not in ("table", "movielens"):
        return str(plan.source["kind"])
    name = re.sub(r"\[0-9\]|\[!i\]|[*?]", "", path.name).split(".")[0]
    name = re.sub(r"(?<!\d)(19|20)\d\d([-_]?\d\d){1,2}(?!\d)", "", name)
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return stem if plain(stem) else "my-log"
