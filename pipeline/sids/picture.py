"""A release's Semantic IDs as a picture: an icicle of prefixes coloured by category, and how often each code is used."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.contracts import ITEMS, SID_HISTORY, check
from pipeline.errors import ContractError
from pipeline.sids.figures import entropy_bits

WIDTH, MARGIN, BAND, BARS = 1600, 30, 110, 90
# Colours that red-green blind people can distinguish.
COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#ee8866",
    "#44bb99",
    "#7d5ba6",
    "#99ddff",
    "#aaaa00",
)
OTHERS = "#bbbbbb"
NO_CATEGORY = "without category"
NOTE = (
    "A box is a prefix, as wide as it has items, in the colour of its largest category: the paler, the smaller that one's share. "
    "Below, the items of each code."
)
TICKS = 16  # numbers written under the bars of a level
FINEST = 0.35  # pixels below which a prefix is not drawn by itself
TITLES = 3  # named in the tip of a prefix
SCALE = (1 / 3, 0.5, 0.75, 1.0)  # shares whose paleness the legend shows


@dataclass(frozen=True)
class Rect:
    """A filled box, pixels from the top left; ``tip`` is shown under the pointer."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    tip: str


@dataclass(frozen=True)
class Text:
    """A line of text, its baseline's left end and size in pixels."""

    x: float
    y: float
    size: int
    text: str


@dataclass(frozen=True)
class Picture:
    """Shapes on a white sheet."""

    width: int
    height: int
    shapes: tuple[Rect | Text, ...]


def draw(open_rows: pl.DataFrame, items: pl.DataFrame, vocabulary: tuple[int, ...], title: str) -> Picture:
    """Lay out a release.

    Each row of the icicle is a level, each box a prefix as wide as its items are many, with some of their titles in its tip, coloured by
    its largest category and the paler the smaller that category's share; under it an axis of items.
    Prefixes stand in the order of their categories, then of their codes. Below it, a bar a code for each level, in the order of code
    numbers.

    Args:
        open_rows: SID_HISTORY, the open rows of one codebook.
        items: ITEMS, for the first category and the title of each.
        vocabulary: V_l.
        title: the heading.

    Raises:
        ContractError: a broken contract, no rows, or tokens that do not fit the vocabulary.
    """
    rows = check(open_rows, SID_HISTORY, "picture")
    if rows.is_empty() or rows["tokens"].list.len().unique().to_list() != [len(vocabulary)]:
        raise ContractError(
            f"picture: {rows.height} items with a Semantic ID of {len(vocabulary)} levels, expected some; run: hsrl refresh"
        )
    categories = check(items, ITEMS, "picture").select("item_id", "title", category=pl.col("categories").list.first())
    item_rows = (
        rows.join(categories, on="item_id", how="left")
        .sort("sid_key", "slot", "item_id")
        .select(
            pl.col("category").fill_null(NO_CATEGORY),
            "title",
            *(pl.col("tokens").list.get(level).alias(f"l{level}") for level in range(len(vocabulary))),
        )
    )
    sizes = (
        item_rows["category"].value_counts(sort=True).sort("count", "category", descending=[True, False])["category"].to_list()
    )
    named = [name for name in sizes if name != NO_CATEGORY][: len(COLOURS)]
    colours = dict(zip(named, COLOURS, strict=False))
    shapes: list[Rect | Text] = [
        Text(MARGIN, 40, 24, title),
        *_legend(colours, len(sizes) > len(named)),
        Text(MARGIN, 100, 12, NOTE),
        *_scale(colours),
    ]
    top = 120.0
    for level in range(len(vocabulary)):
        shapes.append(Text(MARGIN, top + 14, 14, f"level {level + 1}: {_n_prefixes(item_rows, level):,} prefixes"))
        shapes += _boxes(item_rows, level, top + 20, sizes, colours)
        top += BAND
    shapes += _axis(item_rows.height, top)
    top += 40
    for level, codes in enumerate(vocabulary):
        shapes += _bars(item_rows, level, codes, top)
        top += BARS + 56
    return Picture(WIDTH, int(top + MARGIN), tuple(shapes))


def _legend(colours: dict[str, str], has_others: bool) -> list[Rect | Text]:
    shapes: list[Rect | Text] = []
    x = float(MARGIN)
    for name, colour in [*colours.items(), *([("others", OTHERS)] if has_others else [])]:
        shapes += [Rect(x, 62, 16, 16, colour, name), Text(x + 22, 76, 14, name)]
        x += 22 + 9 * len(name) + 24
    return shapes


def _scale(colours: dict[str, str]) -> list[Rect | Text]:
    """How pale a box is at which share of its largest category."""
    colour = next(iter(colours.values()), OTHERS)
    shapes: list[Rect | Text] = []
    x = WIDTH - MARGIN - 62.0 * len(SCALE)
    for share in SCALE:
        tip = f"a box of whose items {share:.0%} are of its largest category"
        shapes += [Rect(x, 88, 16, 16, _paler(colour, share), tip), Text(x + 20, 100, 12, f"{share:.0%}")]
        x += 62
    return shapes


def _axis(n_items: int, y: float) -> list[Rect | Text]:
    """A line as long as all items, with numbers at round steps."""
    width = WIDTH - 2 * MARGIN
    step = 10 ** int(np.log10(n_items))
    step = max(1, next(step // part for part in (10, 5, 2, 1) if n_items / max(step / part, 1) <= 12 or part == 1))
    shapes: list[Rect | Text] = [Rect(MARGIN, y - 6, width, 1, "#888888", "")]
    for number in range(0, n_items, step):
        x = MARGIN + width * number / n_items
        shapes += [Rect(x, y - 6, 1, 5, "#888888", ""), Text(x, y + 11, 11, f"{number:,} items" if not number else f"{number:,}")]
    return shapes


def _n_prefixes(item_rows: pl.DataFrame, level: int) -> int:
    return item_rows.select(f"l{number}" for number in range(level + 1)).n_unique()


def _boxes(item_rows: pl.DataFrame, level: int, y: float, sizes: list[str], colours: dict[str, str]) -> list[Rect | Text]:
    """The boxes of one level, from left to right."""
    keys = [f"l{number}" for number in range(level + 1)]
    rank = pl.col("category").replace_strict({name: number for number, name in enumerate(sizes)}, return_dtype=pl.Int64)
    ranked = item_rows.with_columns(rank=rank)
    order = []
    for depth in range(1, level + 2):
        at = keys[:depth]
        counts = ranked.group_by(*at, "rank").len().sort(*at, "len", "rank", descending=[False] * depth + [True, False])
        largest = counts.group_by(at, maintain_order=True).agg(
            **{f"r{depth}": pl.col("rank").first(), f"n{depth}": pl.col("len").sum()}
        )
        ranked = ranked.join(largest, on=at)
        order += [f"r{depth}", keys[depth - 1]]
    depth = level + 1
    boxes = ranked.group_by(*order, maintain_order=True).agg(
        n=pl.len(),
        n_largest=(pl.col("rank") == pl.col(f"r{depth}")).sum(),
        titles=pl.col("title").drop_nulls().head(TITLES),
    )
    boxes = boxes.sort(order)
    ends = boxes["n"].cum_sum().to_numpy()
    scale = (WIDTH - 2 * MARGIN) / item_rows.height
    shapes: list[Rect | Text] = []
    for row, end in zip(boxes.iter_rows(named=True), ends.tolist(), strict=True):
        width = row["n"] * scale
        if width < FINEST:
            continue
        name, share = sizes[row[f"r{depth}"]], row["n_largest"] / row["n"]
        prefix = "-".join(str(row[key]) for key in keys)
        gap = 1.0 if width > 3 else 0.0
        colour = _paler(colours.get(name, OTHERS), share)
        left = MARGIN + (end - row["n"]) * scale
        tip = f"{prefix}: {row['n']:,} items, {share:.0%} {name}" + "".join(f"\n{title}" for title in row["titles"])
        shapes.append(Rect(left, y, width - gap, BAND - 34, colour, tip + ("\n…" if row["n"] > len(row["titles"]) > 0 else "")))
        if level == 0 and width > 9 * len(prefix):
            shapes.append(Text(left + 3, y + 14, 12, prefix))
    return shapes


def _paler(colour: str, share: float) -> str:
    """Towards white as the share falls; at a third it is nearly gone."""
    weight = 0.15 + 0.85 * max(0.0, (share - 1 / 3) / (2 / 3))
    channels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 - weight * (255 - channel)):02x}" for channel in channels)


def _bars(item_rows: pl.DataFrame, level: int, codes: int, top: float) -> list[Rect | Text]:
    """Items of each code of a level."""
    counts = np.bincount(item_rows[f"l{level}"].to_numpy(), minlength=codes)
    used, bits = int((counts > 0).sum()), entropy_bits(counts / counts.sum())
    most = int(counts.max())
    caption = f"level {level + 1}: {used} of {codes} codes used, entropy {bits:.2f} of {np.log2(codes):.2f} bits, at most {most:,} items a code"
    width = (WIDTH - 2 * MARGIN) / codes
    shapes: list[Rect | Text] = [
        Text(MARGIN, top + 14, 14, caption),
        Rect(MARGIN, top + 22 + BARS, WIDTH - 2 * MARGIN, 1, "#888888", ""),
        Rect(MARGIN - 1, top + 22, 1, BARS, "#888888", ""),
        Text(2, top + 30, 10, f"{most:,}" if most < 10_000 else f"{most / 1000:,.0f}k"),
        Text(2, top + 22 + BARS, 10, "0"),
    ]
    for code, count in enumerate(counts.tolist()):
        if code % -(-codes // TICKS) == 0:
            shapes.append(Text(MARGIN + code * width, top + BARS + 36, 11, str(code)))
        if count:
            height = BARS * count / most
            tip = f"code {code}: {count:,} items"
            shapes.append(
                Rect(MARGIN + code * width, top + 22 + BARS - height, width - 1 if width > 3 else width, height, "#4477aa", tip)
            )
    return shapes
