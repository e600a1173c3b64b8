"""Where a log lies: the path, or a glob that takes its files of today and of later days, and nothing else that lies there."""

import glob
import os
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.guess.form import Sample
from pipeline.ingest.zip_members import members_of

_SUFFIXES = re.compile(r"(\.[A-Za-z]\w*)*$")
_NUMBERS = re.compile(r"\d[\d\W_]*$")  # numbers at the end of a text, with the marks between them, as of a date
_LETTERS = re.compile(r"[^\W\d_]+$")
_DATED = re.compile(r"([A-Za-z_]+=)?\d[\d\W_]*")  # folders of a day, month or year
_HIVE = re.compile(r"([A-Za-z_]\w*)=")


def location(chosen: Sequence[Sample], faulty: Sequence[Sample] = ()) -> tuple[dict[str, Any], list[str]]:
    """``path`` and ``member`` that name these files and no others, and what a person should know of them.

    Args:
        chosen: the files, or members of a zip.
        faulty: others; those that are empty may be taken too, since a refresh passes over them.

    Raises:
        SourceError: the files have no glob of their own.
    """
    paths = list(dict.fromkeys(sample.path for sample in chosen))
    empty = [sample for sample in faulty if isinstance(sample.fault, EmptyFileError)]
    if len(paths) > 1:
        path, shown = _glob_of(paths, {sample.path for sample in empty})
        return {"path": path}, [f"taken is all that {shown} matches: {len(paths)} files now, and later ones too", *_hive(paths)]
    members = [sample.member for sample in chosen if sample.member]
    if not members:
        return {"path": paths[0]}, _hive(paths)
    passed_over = {sample.member for sample in empty if sample.path == paths[0]}
    everything = [name for name in members_of(paths[0], "*") or [] if name not in passed_over]
    if everything == members:
        return {"path": paths[0], **({"member": "*"} if len(members) > 1 else {})}, []
    for pattern in _patterns(members):
        if sorted(name for name in everything if PurePosixPath(name).match(pattern)) == sorted(members):
            return {"path": paths[0], "member": pattern}, []
    return {"path": paths[0], "member": glob.escape(members[0])}, [
        f"which of the {len(members)} members of {paths[0].name} are the log; {members[0]} was taken, others by a glob in member"
    ]


def _hive(paths: Sequence[Path]) -> list[str]:
    """Says how columns that hive folders hold are read."""
    folders = [_HIVE.match(part) for part in paths[0].parts[:-1]]
    keys = [found[1] for found in folders if found]
    if not keys or any(f"{key}=" not in str(path) for key in keys for path in paths):
        return []
    first = next(at for at, found in enumerate(folders) if found)
    template = "/".join([*(f"{found[1]}={{{found[1]}}}" if found else "*" for found in folders[first:]), "*"])
    return [f'whether {", ".join(keys)} of the folders matters; path_columns = "{template}" makes columns of it, to be mapped']


def _patterns(members: Sequence[str]) -> list[str]:
    """Globs that may match these members and no others, the likeliest first."""
    if len(members) == 1:
        return [glob.escape(members[0])]
    suffix, depth = PurePosixPath(members[0]).suffix, members[0].count("/")
    last = {PurePosixPath(member).name for member in members}
    several = [f"*/{glob.escape(last.pop())}"] if len(last) == 1 else []
    several += [f"*{suffix}"] if len({PurePosixPath(member).suffix for member in members}) == 1 else []
    return [*several, *_globs([PurePosixPath(member).parts for member in members]), f"{'*/' * depth}[!i]*{suffix}"]


def _glob_of(paths: Sequence[Path], passed_over: Collection[Path]) -> tuple[Path, str]:
    """A glob that matches these files and no others, and the part of it that is one.

    Raises:
        SourceError: others match too, or the files lie at several depths.
    """
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    if any(path.parent != folder for path in paths):  # of year=2023/month=01 the next year is meant too
        folder = next(each for each in (folder, *folder.parents) if not _DATED.fullmatch(each.name))
    patterns = _globs([path.relative_to(folder).parts for path in paths])
    if not patterns:
        n_folders = len({path.parent for path in paths})
        raise SourceError(f"{paths[0]}: a log of {len(paths)} files in {n_folders} folders; put them into a folder of their own")
    extra = {pattern: {path for path in folder.glob(pattern) if path.is_file()} - {*paths, *passed_over} for pattern in patterns}
    for pattern in patterns:
        if not extra[pattern]:
            return folder / pattern, pattern
    pattern = min(patterns, key=lambda each: len(extra[each]))
    raise SourceError(
        f"{folder / pattern}: would match {len(extra[pattern])} more files, such as {min(extra[pattern]).name}; name them too, or put "
        "the log's files into a folder of their own"
    )


def _globs(files: Collection[Sequence[str]]) -> list[str]:
    """Globs of files that are given by the parts of their paths, the widest first; none where the files lie at several depths."""
    if len({len(parts) for parts in files}) > 1:
        return []
    columns = [list(dict.fromkeys(column)) for column in zip(*files, strict=True)]
    found = []
    for pattern_of in (_whole_words, _with_a_digit, _letters):
        found.append("/".join(pattern_of(names) if len(names) > 1 else _of_name(names[0]) for names in columns))
    return list(dict.fromkeys(found))


def _of_name(name: str) -> str:
    """A name that all files share; of a folder of a day or year any other too."""
    return f"{glob.escape(_NUMBERS.sub('', name))}*" if _DATED.fullmatch(name) else glob.escape(name)


def _whole_words(names: Sequence[str]) -> str:
    begin, end = _ends(names, _without_half_words)
    return f"{glob.escape(begin)}*{glob.escape(end)}"


def _with_a_digit(names: Sequence[str]) -> str:
    """As ``_whole_words``, for what begins with a number there: day_[0-9]*.csv leaves out day_items.csv."""
    begin, end = _ends(names, _without_half_words)
    is_number = all(name[len(begin) : len(begin) + 1].isdigit() for name in names)
    return f"{glob.escape(begin)}{'[0-9]' if is_number else ''}*{glob.escape(end)}"


def _letters(names: Sequence[str]) -> str:
    """By all letters that the names share, which may end within a word, but not within a number or date."""
    begin, end = _ends(names, lambda text, _: text)
    return f"{glob.escape(begin)}*{glob.escape(end)}"


def _ends(names: Sequence[str], cut: Callable[[str, str], str]) -> tuple[str, str]:
    """How all names begin and end: before and behind every number, since the next file may have another.

    Args:
        names: some that differ.
        cut: shortens a common begin, given the letters that follow it in the names.
    """
    begin = _common_begin(names)
    begin = _NUMBERS.sub("", cut(begin, "".join(name[len(begin) : len(begin) + 1] for name in names)))
    rests = [name[len(begin) :] for name in names]
    end = _common_begin([rest[::-1] for rest in rests])[::-1]
    suffixes = _SUFFIXES.search(end)
    kept = suffixes[0] if suffixes else ""
    stem = end.removesuffix(kept)[::-1]
    stem = cut(stem, "".join(rest[: len(rest) - len(end)][-1:] for rest in rests))
    return begin, re.split(r"\d", stem)[0][::-1] + kept


def _without_half_words(text: str, following: str) -> str:
    """The text without letters at its end that are part of a longer word in some name."""
    return _LETTERS.sub("", text) if any(letter.isalpha() for letter in following) else text


def _common_begin(names: Sequence[str]) -> str:
    """The letters with which all names begin."""
    first, last = min(names), max(names)
    n_equal = next(
        (at for at, (letter, other) in enumerate(zip(first, last, strict=False)) if letter != other), min(len(first), len(last))
    )
    return first[:n_equal]
