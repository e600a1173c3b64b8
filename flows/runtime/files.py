"""Files that a command writes for its user: whole or not at all, and never into the warehouse."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.drafts import drafted
from pipeline.errors import ConfigError, reason_of


@contextmanager
def written(target: Path, root: Path) -> Iterator[Path]:
    """Hand out a draft in the folder of ``target`` that takes its name when the block ends well.

    Raises:
        ConfigError: the target lies in the warehouse's folder, or its own folder is missing or cannot be written.
    """
    target = target.absolute()
    if target.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{target}: lies inside the warehouse {root}, which only hsrl writes; name another place")
    if not target.parent.is_dir():
        raise ConfigError(f"{target}: cannot be written (there is no folder {target.parent}); name another place")
    try:
        with drafted(target) as draft:
            yield draft
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written ({reason_of(error)}); name another place") from error


def write_text(target: Path, text: str, root: Path) -> None:
    """Write a text file; see ``written``."""
    with written(target, root) as draft:
        draft.write_text(text, encoding="utf-8")
