"""What a packed file holds, as a stream: gzip, xz, bzip2 and Zstandard, told from each other by their first bytes."""

import bz2
import gzip
import io
import lzma
from typing import Any, BinaryIO, cast

import pyarrow as pa

_MAGIC_BYTES = 10
# "BZh" alone may begin a text; the number after it and the mark of the first block do not.
_BZIP2, _BLOCK = b"BZh", b"1AY&SY"


def unpacked(raw: BinaryIO) -> BinaryIO:
    """The content of a packed stream, or the stream itself if it is not packed; closing the one closes the other.

    Args:
        raw: a buffered stream at its beginning.
    """
    magic = raw.peek(_MAGIC_BYTES)[:_MAGIC_BYTES]  # type: ignore[attr-defined]  # it is buffered
    if magic[:2] == b"\x1f\x8b":
        return _buffered(gzip.GzipFile(fileobj=raw), raw)
    if magic[:6] == b"\xfd7zXZ\x00":
        return _buffered(lzma.LZMAFile(raw), raw)  # closed with it
    if magic[:3] == _BZIP2 and magic[4:] == _BLOCK:
        return _buffered(_Checked(bz2.BZ2File(raw)), raw)
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        return _buffered(_Checked(pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")), raw)
    return raw


def _buffered(content: Any, file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, _Unpacked(content, file))


class _Unpacked(io.BufferedReader):
    """What a packed file holds; closing it closes the file."""

    def __init__(self, content: Any, file: BinaryIO) -> None:
        super().__init__(content, 1 << 16)
        self.file = file

    def close(self) -> None:
        super().close()
        self.file.close()


class _Checked(io.RawIOBase):
    """A stream whose faults of content are told as those of gzip are, and not as faults of the disk."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # Any: no name for buffers before Python 3.12
        view = memoryview(buffer)
        try:
            data = self.content.read(len(view))
        except OSError as error:
            if error.errno is None:  # of the library, not of the system
                raise EOFError(str(error)) from error
            raise
        view[: len(data)] = data
        return len(data)
