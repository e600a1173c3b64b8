"""Columns that a file's path holds: ``{policy}/{campaign}/*.csv``, or ``day={day}/*.parquet`` as hive folders have it."""

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote

from pipeline.errors import SourceError

_PART = re.compile(r"\{([^{}/]+)\}|(\*)")
_NOTHING = "__HIVE_DEFAULT_PARTITION__"


def names_in(template: str) -> list[str]:
    """The columns that a template names, in order.

    Raises:
        ValueError: it names none, or has a brace that is no part of a name.
    """
    names = list(dict.fromkeys(found[1] for found in _PART.finditer(template) if found[1]))
    if not names or re.search(r"[{}]", _PART.sub("", template)):
        raise ValueError("path_columns names columns in braces, such as day={day}/*.csv or {policy}/{campaign}.csv")
    return names


def values_in(template: str, path: str) -> Mapping[str, str]:
    """What the end of a path holds for each column of a template; a name that comes twice stands for the same text.

    A part behind ``=`` is read as hive folders write it: %2F is a slash, and its word for nothing is an empty text.

    Raises:
        SourceError: the path does not end so.
    """
    found = _pattern(template).search(path)
    if found is None:
        raise SourceError(
            f"{path}: does not end like path_columns = {template!r}; mend the template, or name only such files in the path"
        )
    values = {}
    for name, group in _groups(template).items():
        is_hive = f"={{{name}}}" in template
        text = unquote(found[group]) if is_hive else found[group]
        values[name] = "" if is_hive and text == _NOTHING else text
    return values


def _groups(template: str) -> dict[str, str]:
    return {name: f"column_{number}" for number, name in enumerate(names_in(template))}


@lru_cache(64)
def _pattern(template: str) -> re.Pattern[str]:
    groups, seen, pattern, at = _groups(template), set[str](), "", 0
    for part in _PART.finditer(template):
        pattern += re.escape(template[at : part.start()])
        if part[2]:
            pattern += "[^/]*"
        else:
            pattern += f"(?P={groups[part[1]]})" if part[1] in seen else f"(?P<{groups[part[1]]}>[^/]+)"
            seen.add(part[1])
        at = part.end()
    return re.compile(f"(?:^|/){pattern}{re.escape(template[at:])}$")
