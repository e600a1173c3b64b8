"""What a file is, by its first bytes: formats that people often give instead of delimited text."""

import re
from pathlib import Path

from pipeline.errors import SourceError

HEAD_BYTES = 4096  # that are looked at

_GIVE_TEXT = "give it as CSV or Parquet"
_SIGNATURES = [
    (b"PAR1", "a Parquet file within another", "unpack it: Parquet is compressed inside"),
    (b"\x1f\x8b", "packed by gzip twice or more", "unpack it once"),
    (b"\xfd7zXZ\x00", "packed by xz twice or more", "unpack it once"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", "export it as CSV"),
    (b"\x28\xb5\x2f\xfd", "packed by Zstandard", "pack it by gzip or xz, or not at all"),
    (b"BZh", "packed by bzip2", "pack it by gzip or xz, or not at all"),
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
_JSON_ARRAY = re.compile(rb"\s*\[\s*[\{\[]")
_HTML = re.compile(rb"\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\b")


def refuse_other_formats(head: bytes, path: Path) -> None:
    """Refuse what is no delimited text in an encoding whose line feed is the byte 10.

    Args:
        head: the first bytes, unpacked.
        path: the file, for the message.

    Raises:
        SourceError: names the format and what to do.
    """
    if found := _format_of(head, path):
        what, do = found
        raise SourceError(f"{path}: {what}, expected a delimited text; {do}")


def _format_of(head: bytes, path: Path) -> tuple[str, str] | None:
    if head[:4] == b"PK\x03\x04":
        if b"xl/" in head or b"[Content_Types].xml" in head or ".xls" in path.name:
            return "an Excel workbook", "export it as CSV"
        return "a zip archive", "unpack it, or pack the file by gzip or xz"
    for magic, what, do in _SIGNATURES:
        if head.startswith(magic) and (magic not in (b"BZh", b"ORC") or _is_binary(head)):
            return what, do
    if _is_utf16(head):
        return "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW_FILE"
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _JSON_OBJECT.match(text) or _JSON_ARRAY.match(text):
        return "JSON", _GIVE_TEXT
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
