"""Malformed logs drawn from a seed: odd titles and cells, odd line ends, faults of disks and copies, packed or as Parquet."""

import gzip
import io
import lzma
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

COLUMNS = {"user": "user", "item": "item", "time": "at", "feedback": "clicked", "value": "value", "item_attributes": ["title"]}
HEADER = "user,item,at,clicked,value,title"
TITLES = [
    "Tea",
    '"Heroes',
    'Blue 12"',
    '"Ice, cold"',
    '"a\nb"',
    '"said ""no"""',
    "caf\xe9",
    "",
    "x" * 700,
    '"',
    "a\rb",
    "\u2028",
    "\t",
]
CELLS = [
    "",
    "x",
    "1e999",
    "-1",
    "9" * 25,
    "NaN",
    " 7 ",
    "0x1F",
    "1,5",
    "\x00",
    "\ufffd",
    '"7"',
    "07",
    "1.0",
    "true",
    "\U0001f375",
]
ENDS = ["\n", "\r\n", "\r", "\n\n", "\r\r\n"]

Draw = random.Random


def table(draw: Draw, n: int) -> list[str]:
    """Rows, most of them good, with odd titles."""
    rows = []
    for at in range(n):
        cells = [str(draw.randrange(9)), str(draw.randrange(20)), str(1_700_000_000 + at), str(at % 2), f"{at % 5}.5"]
        if draw.random() < 0.15:
            cells[draw.randrange(5)] = draw.choice(CELLS)
        rows.append(",".join([*cells, draw.choice(TITLES) if draw.random() < 0.3 else "Tea"]))
    return rows


def text(draw: Draw) -> str:
    """A header and rows, with what else logs hold."""
    rows = table(draw, draw.choice([0, 1, 5, 60, 120]))
    for _ in range(draw.randrange(4)):
        rows.insert(
            draw.randrange(len(rows) + 1), draw.choice(["", HEADER, ",,,,,", "garbage", '"', "\ufeff" + HEADER, "{}", " "])
        )
    end = draw.choice(ENDS)
    lines = [
        draw.choice([HEADER, HEADER, HEADER, HEADER.upper(), HEADER.replace(",", " , "), '"' + HEADER.replace(",", '","') + '"']),
        *rows,
    ]
    joined = "".join(line + (end if draw.random() < 0.98 else draw.choice(ENDS)) for line in lines)
    return joined.rstrip("\r\n") if draw.random() < 0.3 else joined


def harmed(draw: Draw, content: bytes) -> bytes:
    """The bytes with a fault of a disk or a copy, perhaps."""
    at = draw.randrange(len(content) + 1)
    faults: list[Callable[[], bytes]] = [
        *[lambda: content] * 8,
        lambda: content[:at],
        lambda: content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :],
        lambda: content[:at] + draw.randbytes(20) + content[at:],
        lambda: content[:at] + content[at // 2 :],
        lambda: content[:at] + bytes(64) + content[at:],
        lambda: content.replace(b"Tea", b"\xe9\xe8"),
        lambda: b"",
    ]
    return draw.choice(faults)()


def as_parquet(draw: Draw) -> bytes:
    """A Parquet file with a column of an odd type."""
    packed = io.BytesIO()
    numbers = range(draw.choice([0, 1, 50]))
    frame = pl.DataFrame(
        {name: list(numbers) for name in ("user", "item", "at", "clicked", "value")}
        | {"title": [draw.choice(TITLES) for _ in numbers]}
    )
    odd: list[pl.Expr] = [
        pl.col("user").cast(pl.Float64) + 0.5,
        pl.col("item").cast(pl.String).cast(pl.Binary),
        pl.col("at").cast(pl.Datetime("ns")),
        pl.col("at").cast(pl.Duration("ms")),
        pl.concat_list("clicked").alias("clicked"),
        pl.lit(None).alias("value"),
        pl.col("title").cast(pl.Categorical),
        pl.struct("user", "item").alias("title"),
        pl.lit(b"\xff\xfe").alias("title"),
        pl.col("user").cast(pl.UInt64) + 2**63,
        pl.col("item").cast(pl.Decimal(38, 2)),
        pl.col("at").cast(pl.Date).alias("at"),
    ]
    frame.with_columns(draw.sample(odd, 1)).write_parquet(packed)
    return packed.getvalue()


def content_of(draw: Draw) -> bytes:
    """The bytes of one file."""
    written = text(draw)
    encodings = ["utf-8"] * 12 + ["utf-8-sig", "latin-1", "utf-16"]
    encoded = written.encode(draw.choice(encodings), errors="replace")
    kind = draw.choice(["plain"] * 6 + ["gz", "xz", "parquet", "harmed gz"])
    if kind == "parquet":
        return harmed(draw, as_parquet(draw))
    if kind == "plain":
        return harmed(draw, encoded)
    packed = lzma.compress(encoded) if kind == "xz" else gzip.compress(harmed(draw, encoded), mtime=0)
    return harmed(draw, packed) if kind == "harmed gz" else packed


def physical_lines(content: bytes) -> int | None:
    """Line ends in a text, and one for a last line without; None where that is not for a test to say (packed, Parquet)."""
    if content[:4] == b"PAR1":
        return None
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    elif content[:6] == b"\xfd7zXZ\x00":
        content = lzma.decompress(content)
    end = b"\r" if b"\n" not in content and b"\r" in content else b"\n"
    return content.count(end) + (not content.endswith(end))


def settings_of(draw: Draw, path: Path) -> dict[str, Any]:
    """A table source's settings for it, not always the right ones."""
    unchanged: list[dict[str, Any]] = [{}] * 9
    odd = draw.choice([*unchanged, {"multiline": True}, {"quote": ""}, {"separator": ";"}, {"ids": "text"}, {"ids": "integer"}])
    bare: dict[str, Any] = {"has_header": False, "names": HEADER.split(",")} if draw.random() < 0.2 else {}
    return {"path": path, "columns": COLUMNS, **odd, **bare}
