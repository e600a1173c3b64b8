"""Charts: what is drawn stands where its value is."""

from flows.queries.draw import to_image
from flows.study.chart import Panel, Point, Series, dot_chart, panels
from pipeline.sids.picture import COLOURS, Line, Rect, Text

AB = (Series("a", (Point(0, 1.0, 0.5, 1.5), Point(1, 3.0, 2.0, 4.0))), Series("b", (Point(0, 2.0, 2.0, 2.0),)))


def dots(shapes: tuple, colour: str) -> list[tuple[float, float]]:
    """Middles of the dots of a colour; legends are larger."""
    return [
        (s.x + s.width / 2, s.y + s.height / 2) for s in shapes if isinstance(s, Rect) and s.colour == colour and s.width < 14
    ]


def test_a_dot_stands_right_of_a_smaller_one_and_in_its_row() -> None:
    picture = dot_chart("title", ["first", "second"], AB, [("popular", 2.5)])
    (low, high), (middle,) = dots(picture.shapes, COLOURS[0]), dots(picture.shapes, COLOURS[1])
    assert low[0] < middle[0] < high[0] and abs(2 * middle[0] - low[0] - high[0]) < 1e-6
    assert low[1] < middle[1] < high[1]
    labels = {s.text: s.y for s in picture.shapes if isinstance(s, Text)}
    assert labels["first"] < labels["second"] and "popular" in labels


def test_a_whisker_reaches_from_end_to_end() -> None:
    """0.5 … 1.5 around 1: as far left as right of the dot."""
    picture = dot_chart("title", ["first", "second"], AB[:1], [("mark", 1.0)])
    whisker = next(s for s in picture.shapes if isinstance(s, Line) and s.colour == COLOURS[0])
    (x, y), _ = dots(picture.shapes, COLOURS[0])
    assert abs((whisker.x + whisker.to_x) / 2 - x) < 1e-6 and whisker.y == whisker.to_y == y


def test_a_curve_joins_its_points_and_a_larger_value_stands_higher() -> None:
    picture = panels("title", [Panel("panel", AB[:1], ((0.0, "x0"), (1.0, "x1")))])
    (first, second) = dots(picture.shapes, COLOURS[0])
    assert second[1] < first[1] and second[0] > first[0]
    assert any(isinstance(s, Line) and (s.x, s.y, s.to_x, s.to_y) == (*first, *second) for s in picture.shapes)


def test_a_chart_without_spread_can_be_drawn() -> None:
    flat = (Series("a", (Point(0, 1.0, 1.0, 1.0),)),)
    for picture in (dot_chart("title", ["one"], flat, []), panels("title", [Panel("p", flat, ((0.0, "0"),))])):
        assert to_image(picture).getextrema() != ((255, 255),) * 3
