"""Files that a person asks a command to write: whole or not at all, and never into the warehouse."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import ConfigError


@contextmanager
def written(target: Path, root: Path) -> Iterator[Path]:
    """Hand out a draft beside ``target`` that takes its name when the block ends well.

    Raises:
        ConfigError: the target lies in the warehouse's folder, or its own folder is missing or cannot be written.
    """
    target = target.absolute()
    if target.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{target}: lies inside the warehouse {root}, which only hsrl writes; name another place")
    draft = target.with_name(f".{target.name}.draft")
    try:
        draft.unlink(missing_ok=True)
        yield draft
        draft.replace(target)
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written ({error.strerror}); name another place") from error
    finally:
        if draft.parent.is_dir():
            draft.unlink(missing_ok=True)


def write_text(target: Path, text: str, root: Path) -> None:
    """Write a text file; see ``written``."""
    with written(target, root) as draft:
        draft.write_text(text, encoding="utf-8")
