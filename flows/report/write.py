"""Writes the morning page: where a person asks for it, and into the warehouse after every night that a deployment ran."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.report.facts import NIGHTS, Facts, read_facts
from flows.runtime.extras import missing_extra
from pipeline.drafts import drafted

# Below the warehouse's folder; pages in it are of no worth to hsrl, which makes them anew.
FOLDER, LATEST = "reports", "latest.html"
# Pages of so many releases stay, a month of nights with a refresh and a retrain each, so that what they take does not grow for years.
KEPT_PAGES = 60


def write_report(root: Path, out: Path, nights: int = NIGHTS) -> Path:
    """Write the morning page; its folder is made where it is missing.

    Args:
        root: folder of the warehouse, which is only read.
        out: the HTML file.
        nights: how many of the last nights are shown.

    Returns:
        ``out``.

    Raises:
        WarehouseError: there is no warehouse at ``root``, or it is damaged.
        ModuleNotFoundError: matplotlib is not installed (extra plots).
        OSError: it cannot be written.
    """
    return _write(_page(read_facts(root, nights)), out)


def _page(facts: Facts) -> str:
    from flows.report.page import page  # it needs matplotlib

    return page(facts)


def _write(text: str, out: Path) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    with drafted(out) as draft:
        draft.write_text(text, encoding="utf-8")
    return out


@contextmanager
def reported(root: Path) -> Iterator[None]:
    """Write ``reports/latest.html`` in the warehouse after the block, however it ends, and the page of a new release under its number.

    A page that cannot be drawn says so in a line; the night itself stands.
    """
    try:
        yield
    finally:
        _write_reports(root)


def _drop_old(folder: Path) -> None:
    """Delete the pages of releases beyond the newest ``KEPT_PAGES``; other files, such as a person's, stay."""
    numbered = sorted((path for path in folder.glob("*.html") if path.stem.isdecimal()), key=lambda path: int(path.stem))
    for path in numbered[:-KEPT_PAGES]:
        path.unlink(missing_ok=True)


def _write_reports(root: Path) -> None:
    folder = root / FOLDER
    try:
        facts = read_facts(root)
        text = _page(facts)
        _write(text, folder / LATEST)
        own = folder / f"{facts.release['release_id']}.html" if facts.release else None
        if own is not None and not own.exists():
            _write(text, own)
            _drop_old(folder)
    except Exception as error:  # noqa: BLE001 a picture must not cost a night that is published
        line = missing_extra(error, "the morning page") if isinstance(error, ModuleNotFoundError) else None
        print(f"hsrl: the morning page of {root} was not written: {line or ' '.join(str(error).split()) or type(error).__name__}")  # noqa: T201 Prefect logs it
