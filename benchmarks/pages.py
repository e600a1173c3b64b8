"""Where a benchmark writes its page."""

from pathlib import Path


def out_file(text: str) -> Path:
    """The file of `--out`, as the type of an argument: its folder is made at once, before anything is measured for hours.

    Raises:
        OSError: the folder cannot be made (the last line names the path).
    """
    page = Path(text)
    page.parent.mkdir(parents=True, exist_ok=True)
    return page
