"""A file that is not what was meant: the line names the true cause, and the key that helps."""

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.ingest.table import TableLog
from pipeline.ingest.table_config import TableSource

COLUMNS = {"user": "user", "item": "item", "time": "at", "feedback": "clicked"}
ROWS = [f"{n % 7},{n % 11},{n},{n % 2}" for n in range(60)]
GOOD = "user,item,at,clicked\n" + "\n".join(ROWS) + "\n"
JSON_LINES = "".join(json.dumps({"user": n, "item": n, "at": n, "clicked": 1}) + "\n" for n in range(9))


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    return packed.getvalue()


def refused(path: Path, content: bytes, **config: Any) -> str:
    path.write_bytes(content)
    table = TableLog(TableSource.model_validate({"path": path, "columns": COLUMNS} | config), 100)
    with pytest.raises(SourceError) as refusal:
        for delivery in table.deliveries():
            list(table.read(delivery))
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 600
    return str(refusal.value)


BARE = {"has_header": False, "names": ["user", "item", "at", "clicked"]}
LATIN = ("user,item,at,clicked\n" + "caf\xe9,th\xe9,1,1\n" * 30).encode("latin-1")
CAUSES: dict[str, tuple[bytes, dict[str, Any], list[str]]] = {
    "another encoding": (LATIN, {}, ["not readable as utf-8", "encoding", "latin-1"]),
    "another encoding, no header": (LATIN.partition(b"\n")[2], BARE, ["not readable as utf-8", "encoding"]),
    "UTF-16": (GOOD.encode("utf-16"), {}, ["UTF-16", "iconv -f UTF-16 -t UTF-8"]),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), {}, ["UTF-16", "iconv"]),
    "a JSON array": (b"[\n" + JSON_LINES.replace("\n", ",\n").encode() + b"]", {}, ["JSON array", "jq -c '.[]'"]),
    "a JSON document": (b'{\n  "events": [\n' + JSON_LINES.encode(), {}, ["JSON", "jq -c ."]),
    "an error page": (b"<!DOCTYPE html>\n<html><body>403</body></html>\n", {}, ["HTML", "fetch it again"]),
    "XML": (b'<?xml version="1.0"?>\n<log/>\n', {}, ["XML"]),
    "a workbook": (zipped(), {}, ["Excel", "CSV"]),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 99, {}, ["Excel", "CSV"]),
    "Zstandard": (b"\x28\xb5\x2f\xfd" + b"x" * 99, {}, ["damaged", "fetch"]),
    "bzip2": (b"BZh91AY&SY" + b"x" * 99, {}, ["damaged", "fetch"]),
    "LZ4": (b"\x04\x22\x4d\x18" + b"x" * 99, {}, ["LZ4", "Zstandard"]),
    "a tar": (b"log.csv".ljust(257, b"\0") + b"ustar" + b"x" * 99, {}, ["tar archive", "unpack it"]),
    "Arrow": (b"ARROW1\0\0" + b"x" * 99, {}, ["Arrow", "Parquet"]),
    "SQLite": (b"SQLite format 3\0" + b"x" * 99, {}, ["SQLite", "CSV or Parquet"]),
    "gzip within gzip": (gzip.compress(gzip.compress(GOOD.encode())), {}, ["gzip", "twice"]),
    "gzipped Parquet": (gzip.compress(b"PAR1" + b"x" * 99), {}, ["Parquet", "unpack"]),
    "semicolons": (GOOD.replace(",", ";").encode(), {}, ['set separator = ";"']),
    "tabs": (GOOD.replace(",", "\t").encode(), {}, ['set separator = "\\t"']),
    "semicolons, no header": (GOOD.replace(",", ";").partition("\n")[2].encode(), BARE, ['set separator = ";"']),
    "commas where tabs are set": (GOOD.encode(), {"separator": "\t"}, ['set separator = ","']),
    "Excel's separator line": (b"sep=;\n" + GOOD.replace(",", ";").encode(), {}, ["sep=;", 'separator = ";"']),
    "no header": (GOOD.partition("\n")[2].encode(), {}, ["has_header = false", "names = "]),
    "another case": (GOOD.replace("user", "User_ID", 1).replace("clicked", "Clicked").encode(), {}, ["'Clicked'"]),
    "fields over lines": (b"user,item,at,clicked\n" + b'1,"a\nb",3,1\n' * 30, {}, ["multiline = true"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CAUSES)
def test_the_true_cause_is_named(tmp_path: Path, name: str) -> None:
    content, config, words = CAUSES[name]
    message = refused(tmp_path / "log.csv", content, **config)
    assert all(word in message for word in words), message


@pytest.mark.parametrize("header", ['"user","item","at","clicked"', " user , item,at,clicked ", "\ufeffuser,item,at,clicked\r"])
def test_a_header_with_quotes_spaces_or_a_mark_is_understood(tmp_path: Path, header: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(header + "\n" + "\n".join(ROWS) + "\n", newline="")
    table = TableLog(TableSource.model_validate({"path": path, "columns": COLUMNS}), 100)
    assert sum(batch.events.height for batch in table.read(table.deliveries()[0])) == 60


def test_a_header_where_none_was_expected_is_no_event(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(GOOD)
    table = TableLog(TableSource.model_validate({"path": path, "columns": COLUMNS, "ids": "text"} | BARE), 100)
    batches = list(table.read(table.deliveries()[0]))
    assert sum(batch.events.height for batch in batches) == 60 and sum(batch.rejects.height for batch in batches) == 0


def test_files_come_in_natural_order(tmp_path: Path) -> None:
    for day in (1, 2, 10, 11, 12):
        (tmp_path / f"day_{day}.csv").write_text(GOOD)
    table = TableLog(TableSource.model_validate({"path": tmp_path / "day_*.csv", "columns": COLUMNS}), 100)
    assert [delivery.id for delivery in table.deliveries()] == [f"day_{day}.csv" for day in (1, 2, 10, 11, 12)]


def test_paths_that_lead_to_no_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    for path, message in [
        (tmp_path / "logs", r"a folder where a file was expected; name a file or a glob in it, such as .*logs/\*\.csv"),
        (tmp_path / "*.tsv", "matches no file"),
        (tmp_path / "g*.csv", r"gone\.csv: no such file"),
        (Path("/dev/null"), "no regular file"),
    ]:
        with pytest.raises(SourceError, match=message):
            TableLog(TableSource.model_validate({"path": path, "columns": COLUMNS}), 100).deliveries()


def test_an_id_above_63_bits_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(GOOD + f"{2**63 + 7},1,99,1\n-{2**64},1,99,1\nx,1,99,1\n")
    table = TableLog(TableSource.model_validate({"path": path, "columns": COLUMNS, "ids": "integer"}), 100)
    (batch,) = table.read(table.deliveries()[0])
    assert batch.rejects["reason"].to_list() == [
        *["user id is a number in another spelling (0007, +7, above 2^63 - 1)"] * 2,
        "user id is not a whole number",
    ]
