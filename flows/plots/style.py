"""The style of all pictures with axes, and how a figure becomes SVG or PNG: the same data are the same bytes."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from textwrap import wrap
from typing import Any, BinaryIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.sids.picture import COLOURS

# Text, axes and grid; a page in dark colours replaces the first two by its own (see ``svg_text``).
INK, PALE = "#24292f", "#d0d7de"
_LETTERS_AN_INCH = 10.5  # of a title
WIDTH, HEIGHT = 4.6, 2.3  # inches of a picture of the page, so that its letters can be read on a phone
_FONT = 9.0
# Those that a name can be written in, on white and on black.
_READABLE = tuple(COLOURS[number] for number in (0, 1, 2, 5, 6, 7, 8))
_PNG_DPI = 160
# Points of the x axis that names can stand under, and the width of a letter as a share of its height; both measured.
_NAMED_POINTS, _LETTER = 250.0, 0.56
_STYLE: dict[Any, Any] = {
    "font.size": _FONT,
    "font.family": ["DejaVu Sans"],
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.labelsize": _FONT,
    "axes.titlesize": _FONT + 1,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "axes.unicode_minus": True,
    "text.parse_math": False,  # names come from data: a dollar sign is one
    "svg.fonttype": "none",
    "figure.dpi": 100,
}
# Numbers of groups such as axes_1, which would stand in one page once for each of its pictures.
_COUNTED = re.compile(r' id="[A-Za-z0-9.]+(?:_\d+)+"')
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)


@contextmanager
def styled() -> Iterator[None]:
    """The style holds inside the block, and matplotlib is as before after it."""
    with mpl.rc_context(_STYLE):
        yield


def figure(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """An empty figure, inches."""
    return Figure(figsize=(width, height), layout="constrained")


def head(drawn: Figure, title: str) -> None:
    """The title of a figure, from its left edge, on as many lines as its width needs."""
    letters = int(drawn.get_figwidth() * _LETTERS_AN_INCH)
    drawn.suptitle("\n".join(wrap(title, letters)), x=0.01, ha="left", fontsize=12)


def svg_text(drawn: Figure, name: str, label: str) -> str:
    """A figure as an inline SVG element, whose text and axes take the colour of the page around it.

    Args:
        drawn: the figure, made inside ``styled``.
        name: of the picture in its page; ids inside it are made from it, so that two pictures of a page share none by chance.
        label: what it shows, for those who cannot see it.
    """
    buffer = StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = _COUNTED.sub("", _PROLOGUE.sub("", buffer.getvalue(), count=1))
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace(INK, "currentColor").replace(PALE, "var(--pale)").replace("font: ", "font:")
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
    return text.replace("<svg ", f'<svg role="img" aria-label="{_attribute(label)}" ', 1).strip()


def write_png(drawn: Figure, path: Path | BinaryIO) -> None:
    """A figure as PNG, without the version of what made it.

    Raises:
        OSError: it cannot be written.
    """
    drawn.savefig(path, format="png", dpi=_PNG_DPI, metadata={"Software": None})


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write each line's name right of its last point, apart where they would overlap.

    Args:
        axes: with limits as they will stay.
        ends: value of the last point, name, colour; at the right edge of the axes.
    """
    low, high = axes.get_ylim()
    height = axes.get_position().height * axes.figure.get_figheight() * 72  # type: ignore[union-attr]  # points; about, before the layout
    step = (high - low) * (_FONT + 1.5) / max(height, 1.0)
    order = sorted(range(len(ends)), key=lambda number: (ends[number][0], number))
    places: list[float] = []
    for number in order:
        places.append(max(ends[number][0], places[-1] + step) if places else ends[number][0])
    for number in range(len(places) - 1, -1, -1):  # down again, as far as they stand above the axes
        most = places[number + 1] - step if number + 1 < len(places) else high
        places[number] = min(places[number], most)
    for place, number in zip(places, order, strict=True):
        _, name, colour = ends[number]
        axes.annotate(
            name,
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            ha="left",
            color=colour,
            fontsize=_FONT - 0.5,
            annotation_clip=False,
        )


def colour(number: int) -> str:
    """Of the number-th series; the colours begin again after the last."""
    return _READABLE[number % len(_READABLE)]


def few_ticks(axes: Axes, labels: Sequence[str], most: int = 6) -> None:
    """Name some of the places 0, 1, … of the x axis, evenly, the last among them: at most so many, fewer where names are long."""
    n = len(labels)
    room = int(_NAMED_POINTS / (_FONT * _LETTER * (2 + max(map(len, labels), default=0))))
    step = max(1, -(-n // max(1, min(most, room))))
    at = list(range(n - 1, -1, -step))[::-1]
    axes.set_xticks(at, [labels[place] for place in at])


def drawn_svg(name: str, label: str, draw: Callable[[Axes], None], height: float = HEIGHT) -> str:
    """A picture of the page with one pair of axes, as SVG."""
    with styled():
        made = figure(height=height)
        draw(made.add_subplot())
        return svg_text(made, name, label)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
