"""How files are written that programs other than the usual ones wrote: line ends, encodings, JSON, members of a zip."""

import random
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.ingest.guess.form import samples_of

START = 1_700_000_000  # 2023-11-14 22:13:20 UTC


def lines(n: int = 60, first: int = 0) -> list[str]:
    """Rows of user, item, clicked and ts."""
    return [f"{at % 9},{at % 7},{at % 2},{START + 60 * at}" for at in range(first, first + n)]


def test_a_carriage_return_inside_a_line_does_not_stop_the_look(tmp_path: Path) -> None:
    log = tmp_path / "a.csv"
    log.write_bytes(b'user,item,comment,clicked,ts\n1,2,hello\rworld,1,1700000000\n1,3,"so, so",0,1700000060\n')
    [sample] = samples_of(log)
    assert sample.column("comment") == ["hello world", "so, so"] and sample.column("ts") == ["1700000000", "1700000060"]


@pytest.mark.parametrize("quoted", ["so", '"so, so"'])
@pytest.mark.parametrize("end", ["", "\r"])
def test_lines_that_end_by_a_carriage_return_alone_are_parted_as_the_reader_does(tmp_path: Path, quoted: str, end: str) -> None:
    log = tmp_path / "mac.csv"
    log.write_bytes(("\r".join(["user,item,clicked,ts,note", *(f"{line},{quoted}" for line in lines())]) + end).encode())
    [sample] = samples_of(log)
    assert len(sample.rows) == 60 and sample.names == ("user", "item", "clicked", "ts", "note")
    assert sample.is_open == (end == "")


def test_carriage_returns_with_a_line_feed_at_the_end_are_refused_for_their_line_ends(tmp_path: Path) -> None:
    """The reader takes such a file for a line."""
    log = tmp_path / "mac.csv"
    log.write_bytes(("\r".join(["user,item,clicked,ts", *lines()]) + "\n").encode())
    with pytest.raises(SourceError, match=r"its lines end by a carriage return alone.* tr '\\r' '\\n'"):
        samples_of(log)


def test_junk_is_looked_at_or_refused_in_a_line(tmp_path: Path) -> None:
    """Bytes without nulls, of which many are quotes, separators and line ends."""
    draw = random.Random(7)  # noqa: S311 not for secrets
    for at in range(200):
        junk = bytes(draw.choice(b'\r\n",;|\t {}[]:1a\x1e\x1f\x85\xe9\xff') for _ in range(draw.randrange(1, 300)))
        (tmp_path / f"{at}").write_bytes(junk)
        try:
            samples_of(tmp_path / f"{at}")
        except SourceError as error:
            assert "\n" not in str(error)
