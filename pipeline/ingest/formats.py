"""What a file is, by its first bytes: formats that people often give instead of delimited text."""

import re
from pathlib import Path
from typing import Literal

from pipeline.errors import SourceError

HEAD_BYTES = 4096  # that are looked at
# JSON that a caller reads: an object a line, or any object.
TakenJson = Literal["lines", "any"] | None

_GIVE_TEXT = "give it as CSV or Parquet"
_SIGNATURES = [
    (b"PAR1", "a Parquet file within another", "unpack it: Parquet is compressed inside"),
    (b"\x1f\x8b", "packed by gzip twice or more", "unpack it once"),
    (b"\xfd7zXZ\x00", "packed by xz twice or more", "unpack it once"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", "export it as CSV"),
    (b"\x28\xb5\x2f\xfd", "packed by Zstandard twice or more", "unpack it once"),
    (b"BZh91AY&SY", "packed by bzip2 twice or more", "unpack it once"),
    (b"\x04\x22\x4d\x18", "packed by LZ4", "pack it by gzip, xz, bzip2 or Zstandard, or not at all"),
    (b"\xff\x06\x00\x00sNaPpY", "packed by Snappy", "pack it by gzip, xz, bzip2 or Zstandard, or not at all"),
    (b"\x1f\x9d", "packed by compress (.Z)", "pack it by gzip, xz, bzip2 or Zstandard, or not at all"),
    (b"LZIP", "packed by lzip", "pack it by gzip, xz, bzip2 or Zstandard, or not at all"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"ARROW1", "an Arrow IPC file", "write it as Parquet"),
    (b"ORC", "an ORC file", "write it as Parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet"),
    (b"SQLite format 3\x00", "a SQLite database", f"export the table, and {_GIVE_TEXT}"),
    (b"\x93NUMPY", "a NumPy array", _GIVE_TEXT),
    (b"\x89HDF", "an HDF5 file", _GIVE_TEXT),
    (b"%PDF", "a PDF", _GIVE_TEXT),
]
_JSON_OBJECT = re.compile(rb'\s*\{\s*("[^"\n]*"\s*:|\})')
_OBJECT_A_LINE = re.compile(rb"[ \t]*\{[ \t]*(\"[^\"\n]*\"|'[^'\n]*'|u'[^'\n]*')[ \t]*:")
_BOM = b"\xef\xbb\xbf"
_TAR_MARK = slice(257, 262)
_JSON_ARRAY = re.compile(rb"\s*\[\s*[\{\[]")
_HTML = re.compile(rb"\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\b")


def refuse_other_formats(head: bytes, path: Path, *, takes_json: TakenJson = None) -> None:
    """Refuse what is no delimited text in an encoding whose line feed is the byte 10.

    Args:
        head: the first bytes, unpacked.
        path: the file, for the message.
        takes_json: which JSON the caller reads, if any.

    Raises:
        SourceError: names the format and what to do.
    """
    if takes_json and (is_json_lines(head) or (takes_json == "any" and _JSON_OBJECT.match(head.removeprefix(_BOM)))):
        return
    if found := _format_of(head, path):
        what, do = found
        raise SourceError(f"{path}: {what}, expected a delimited text; {do}")


def is_json_lines(head: bytes) -> bool:
    """Whether a text begins with a line that begins a JSON object (or a Python one, as in Amazon's older files)."""
    return bool(_OBJECT_A_LINE.match(head.removeprefix(_BOM).lstrip(b"\r\n")))


def _format_of(head: bytes, path: Path) -> tuple[str, str] | None:
    if head[:4] == b"PK\x03\x04":
        if b"xl/" in head or b"[Content_Types].xml" in head or ".xls" in path.name:
            return "an Excel workbook", "export it as CSV"
        return "a zip archive", "unpack it, or pack the file by gzip or xz"
    if head[_TAR_MARK] == b"ustar":
        return "a tar archive", "unpack it, and name its files by a glob"
    for magic, what, do in _SIGNATURES:
        if head.startswith(magic) and (magic not in (b"LZIP", b"ORC") or _is_binary(head)):
            return what, do
    if _is_utf16(head):
        return "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW_FILE"
    text = head.removeprefix(_BOM)
    if _JSON_ARRAY.match(text):
        return "a JSON array", f"write an object a line with: jq -c '.[]' {path.name} > NEW.jsonl, or {_GIVE_TEXT}"
    if _JSON_OBJECT.match(text):
        return "JSON", f"write an object a line with: jq -c . {path.name} > NEW.jsonl, or {_GIVE_TEXT}"
    if _HTML.match(text):
        return "an HTML page, perhaps an error told in place of the file", "fetch it again"
    if _XML.match(text):
        return "XML", _GIVE_TEXT
    return None


def _is_binary(head: bytes) -> bool:
    return b"\n" not in head or any(byte < 9 for byte in head)


def _is_utf16(head: bytes) -> bool:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    sample = head[:1000]
    nulls = [index for index, byte in enumerate(sample) if byte == 0]
    # Latin letters in UTF-16: every other byte is null.
    return len(nulls) > len(sample) / 3 and len({index % 2 for index in nulls}) == 1
