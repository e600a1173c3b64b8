"""The picture of a release: boxes as wide as prefixes are many, coloured by category."""

from collections.abc import Callable

import polars as pl
import pytest

from pipeline.contracts import ITEMS, SID_HISTORY
from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.picture import COLOURS, MARGIN, WIDTH, Rect, Text, _axis, draw
from tests.support.sids import assign_night

Frames = Callable[..., pl.DataFrame]


@pytest.fixture
def rows(line: Codebook, embed: Frames, catalogue: Frames) -> pl.DataFrame:
    """Three items right of 0, one left."""
    points = {1: [5.0], 2: [5.1], 3: [3.0], 4: [-3.0]}
    return assign_night((1, catalogue(points), embed(points)), line, SID_HISTORY.empty()).upserts


def items(**categories: str) -> pl.DataFrame:
    rows = [(int(item[1:]), item, None, [name], None, None, None, True) for item, name in categories.items()]
    return pl.DataFrame(rows, schema=ITEMS.schema, orient="row")


def test_a_prefix_is_as_wide_as_its_items_and_has_the_colour_of_their_category(rows: pl.DataFrame, line: Codebook) -> None:
    """Level 1: code 1 has three of four items, all a, and three quarters of the width in the first colour; code 0 is b."""
    picture = draw(rows, items(i1="a", i2="a", i3="a", i4="b"), line.vocabulary, "title")
    boxes = [shape for shape in picture.shapes if isinstance(shape, Rect) and "items," in shape.tip]
    assert [box.tip for box in boxes] == [
        "1: 3 items, 100% a", "0: 1 items, 100% b", "1-0: 1 items, 100% a", "1-1: 2 items, 100% a", "0-1: 1 items, 100% b",
    ]  # fmt: skip
    assert boxes[0].width == pytest.approx(0.75 * (WIDTH - 2 * MARGIN) - 1)
    assert [box.colour for box in boxes[:2]] == [COLOURS[0], COLOURS[1]]


def test_a_tip_names_some_titles(rows: pl.DataFrame, line: Codebook) -> None:
    """Of the three items below code 1 (1-0 with item 3, 1-1 with items 1 and 2) in the order of their Semantic IDs."""
    titled = items(i1="a", i2="a", i3="a", i4="b").with_columns(title=pl.Series(["One", None, "Three", "Four"]))
    tips = [shape.tip for shape in draw(rows, titled, line.vocabulary, "t").shapes if isinstance(shape, Rect)]
    assert "1: 3 items, 100% a\nThree\nOne\n…" in tips and "1-0: 1 items, 100% a\nThree" in tips


@pytest.mark.parametrize(
    ("n", "last"), [(1, 0), (4, 3), (62, 60), (612, 600), (3883, 3500), (10_000, 9_000), (1_000_000, 900_000)]
)
def test_the_axis_has_a_few_round_numbers(n: int, last: int) -> None:
    numbers = [int(shape.text.split()[0].replace(",", "")) for shape in _axis(n, 0) if isinstance(shape, Text)]
    assert numbers[0] == 0 and numbers[-1] == last and len(numbers) <= 12


def test_the_legend_shows_what_paleness_means(rows: pl.DataFrame, line: Codebook) -> None:
    shapes = draw(rows, items(i1="a"), line.vocabulary, "t").shapes
    scale = [shape.colour for shape in shapes if isinstance(shape, Rect) and "of whose items" in shape.tip]
    assert scale[-1] == COLOURS[0] and len(set(scale)) == 4
    assert {"33%", "50%", "75%", "100%"} <= {shape.text for shape in shapes if isinstance(shape, Text)}


def test_a_mixed_prefix_is_paler(rows: pl.DataFrame, line: Codebook) -> None:
    pure, mixed = (draw(rows, items(i1="a", i2="a", i3=third, i4="a"), line.vocabulary, "t").shapes for third in ("a", "b"))
    colours = [
        next(shape.colour for shape in shapes if isinstance(shape, Rect) and shape.tip.startswith("1: "))
        for shapes in (pure, mixed)
    ]
    assert sum(int(colours[1][at : at + 2], 16) - int(colours[0][at : at + 2], 16) for at in (1, 3, 5)) > 100


def test_every_level_tells_its_use_of_codes(rows: pl.DataFrame, line: Codebook) -> None:
    texts = [shape.text for shape in draw(rows, items(i1="a"), line.vocabulary, "t").shapes if isinstance(shape, Text)]
    assert "level 1: 2 of 2 codes used, entropy 0.81 of 1.00 bits, at most 3 items a code" in texts


def test_nothing_cannot_be_drawn(line: Codebook) -> None:
    with pytest.raises(ContractError, match="picture: 0 items with a Semantic ID of 2 levels"):
        draw(SID_HISTORY.empty(), ITEMS.empty(), line.vocabulary, "t")
