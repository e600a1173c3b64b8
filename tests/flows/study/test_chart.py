"""Charts: what is drawn stands where its value is, axes say their unit, and the same data are the same bytes."""

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from flows.plots.style import styled, svg_text, write_png
from flows.runtime.settings import load_settings
from flows.study.chart import Curve, Dots, Point, Sweep, curve_chart, difference_chart, sweep_chart
from flows.study.report import _sweep
from flows.study.variants import STUDIES

ROWS = ("first", "better", "worse", "unclear", "gone")
# Better by 0.2, worse by 0.1, unclear, and so far below that it would squeeze the others.
DIFFERENCES = (Point(1, 0.2, 0.1, 0.3), Point(2, -0.1, -0.15, -0.05), Point(3, 0.05, -0.1, 0.2), Point(4, -5.0, -6.0, -4.0))
MEANS = (Dots("panel", (3.0, 3.2, 2.9, 3.05, -2.0)), Dots("where it learned", (3.1, 3.2, 3.0, 3.1, -1.0)))


@pytest.fixture
def drawn() -> Figure:
    with styled():
        return difference_chart("title", ROWS, MEANS, DIFFERENCES, [("popular", 1.0), ("oracle", 4.0)])


def lines(axes: Axes) -> list[tuple[list[float], list[float], str]]:
    """x, y and marker of every line."""
    return [([*map(float, line.get_xdata())], [*map(float, line.get_ydata())], str(line.get_marker())) for line in axes.lines]


def texts(axes: Axes) -> dict[str, tuple[float, float]]:
    return {text.get_text().strip(): text.xy for text in axes.texts if isinstance(text, Annotation)}


def test_means_stand_in_their_rows(drawn: Figure) -> None:
    left = drawn.axes[0]
    assert lines(left)[0] == ([3.0, 3.2, 2.9, 3.05, -2.0], [0.0, 1.0, 2.0, 3.0, 4.0], "o")
    assert [label.get_text() for label in left.get_yticklabels()] == list(ROWS)
    assert texts(left)["popular"][0] == 1.0 and texts(left)["oracle"][0] == 4.0


def test_a_difference_has_its_interval_and_its_value_at_the_point(drawn: Figure) -> None:
    right = drawn.axes[1]
    assert ([0.1, 0.3], [1.0, 1.0], "None") in lines(right) and ([0.2], [1.0], "o") in lines(right)
    assert texts(right)["+0.20"] == (0.2, 1) and texts(right)["-0.10"] == (-0.1, 2)


def test_one_far_difference_stands_at_the_edge_written_out(drawn: Figure) -> None:
    """The reaches are .15, .2, .3 and 6: the axis ends at .3, the last of those within four times the middle one (.3)."""
    right = drawn.axes[1]
    assert right.get_xlim() == pytest.approx((-0.324, 0.324))
    assert ([-0.3], [4.0], "<") in lines(right)
    assert "-5.00 [-6.00 … -4.00]" in texts(right)


def test_above_and_below_nothing_have_other_colours(drawn: Figure) -> None:
    dots = [line.get_color() for line in drawn.axes[1].lines if line.get_marker() == "o"]
    assert len(set(dots)) == 3


def test_a_verdict_decides_the_colour_where_there_is_one() -> None:
    """An interval above 0 is no "better" yet: a family may pay for it (docs/learner.md)."""
    points = (Point(1, 0.2, 0.1, 0.3, "no difference shown"), Point(2, 0.2, 0.1, 0.3, "better"), Point(3, 0.1, -0.1, 0.3))
    with styled():
        made = difference_chart("title", ROWS[:4], [Dots("panel", (3.0, 3.2, 3.2, 3.1))], points, [])
    shown, better, unclear = [line.get_color() for line in made.axes[1].lines if line.get_marker() == "o"]
    assert shown == unclear != better


def test_axes_name_what_they_measure(drawn: Figure) -> None:
    left, right = drawn.axes
    assert left.get_xlabel() == "total reward a session"
    assert right.get_xlabel().replace("\n", " ") == "difference in total reward a session, paired, 95 % interval; 0 = first"


def test_a_title_takes_as_many_lines_as_a_narrow_picture_needs() -> None:
    title = "HAC: exploring with hyper-actions (its Figure 9), a log of a long name"
    with styled():
        made = sweep_chart(title, [Sweep("noise", ("0", "1"), (Point(0, 0.1, 0.0, 0.2),), 1)])
        made.savefig(BytesIO())
    assert made.get_suptitle().replace("\n", " ") == title
    assert made.texts[0].get_window_extent().x1 <= made.bbox.x1


def test_the_configured_value_has_its_place_whatever_its_row_is_called(tmp_path: Path) -> None:
    """Studies of HAC call it HAC."""
    settings = load_settings(Path(__file__).parents[3] / "flows/configs/ml-100k.toml", tmp_path)
    study = STUDIES["hac-noise"]
    summary = pl.DataFrame(
        {
            "variant": ["HAC", "noise on Z = 0"], "panel": [None, "noise on Z"], "at": [None, 0.0], "verdict": [None, None],
            "difference": [None, -0.2], "difference_low": [None, -0.6], "difference_high": [None, 0.2],
        }
    )  # fmt: skip
    found = cast(Any, SimpleNamespace(plan=SimpleNamespace(settings=settings, study=study), summary=summary))
    sweep = _sweep(found, "noise on Z", "learner.hyper_action.noise")
    assert (sweep.ticks, sweep.base, len(sweep.points)) == (("0", "0.3"), 1, 1)


def test_a_sweep_goes_through_the_configured_value() -> None:
    """Values 0, 1 and 2, configured is the middle one: its difference is 0."""
    points = (Point(0, -1.0, -1.5, -0.5), Point(2, 0.5, 0.25, 0.75))
    with styled():
        made = sweep_chart("title", [Sweep("entropy weight", ("0", "0.1", "1"), points, 1)])
    [axes] = made.axes
    assert ([0.0, 1.0, 2.0], [-1.0, 0.0, 0.5], "o") in lines(axes) and ([2.0, 2.0], [0.25, 0.75], "None") in lines(axes)
    assert axes.get_xlabel() == "entropy weight" and texts(axes)["as configured"] == (1, 0)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.1", "1"]


def test_a_curve_is_named_at_its_end() -> None:
    curve = Curve("w0", (Point(10, 0.5, 0.4, 0.6), Point(20, 0.7, 0.6, 0.8)))
    with styled():
        [axes] = curve_chart("title", [curve], "weight").axes
    assert lines(axes) == [([10.0, 20.0], [0.5, 0.7], "")]
    assert texts(axes)["w0"][1] == 0.7 and (axes.get_xlabel(), axes.get_ylabel()) == ("iteration", "weight")


def test_names_at_the_same_end_stand_apart() -> None:
    curves = [Curve(name, (Point(0, 0.5, 0.5, 0.5), Point(1, 0.5, 0.5, 0.5))) for name in ("a", "b", "c")]
    with styled():
        [axes] = curve_chart("title", curves, "weight").axes
    heights = sorted(place[1] for place in texts(axes).values())
    assert heights[1] - heights[0] > 0 and heights[2] - heights[1] > 0


@pytest.mark.parametrize("differences", [(), (Point(1, 0.0, 0.0, 0.0),)])
def test_a_study_without_spread_can_be_drawn(differences: tuple[Point, ...], tmp_path: Path) -> None:
    means = [Dots("panel", (1.0, 1.0))]
    with styled():
        write_png(difference_chart("title", ("first", "same"), means, differences, []), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_the_same_data_are_the_same_bytes() -> None:
    def drawn_twice() -> tuple[bytes, str]:
        with styled():
            made = difference_chart("title", ROWS, MEANS, DIFFERENCES, [])
            png = BytesIO()
            write_png(made, png)
            return png.getvalue(), svg_text(made, "name", "label")

    assert drawn_twice() == drawn_twice()
