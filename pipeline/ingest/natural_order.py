"""The order in which people number files: day_2 before day_10."""

import re


def natural(path: str) -> tuple[list[list[tuple[int, str]]], str]:
    """A key by which paths sort as people number them: runs of digits as numbers, folder by folder."""
    return [
        [(int(run), "") if run.isdigit() else (-1, run) for run in re.findall(r"[0-9]+|[^0-9]+", part)]
        for part in path.split("/")
    ], path
