"""Members of a zip file as raw files of their own; nothing is unpacked to disk."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.files import open_stream, refusing
from pipeline.ingest.formats import TakenJson
from pipeline.ingest.natural_order import natural

_FEW = 8
_BEGINS = (b"PK\x03\x04", b"PK\x05\x06")  # with a member, and without any
_WORKBOOK = (
    "[Content_Types].xml",
    "xl/",
    "mimetype",
)  # how members of Excel's and OpenDocument's files begin: formats of their own


def members_of(path: Path, wanted: str | None) -> Sequence[str] | None:
    """The members to read of a zip, in the natural order of their names; None if the file is no zip of raw files.

    Args:
        path: the file.
        wanted: a glob that the end of a member's path matches; without it a zip of one member is that member.

    Raises:
        SourceError: the zip is damaged, no member matches, or it is not said which of several is meant.
    """
    with refusing(path):
        with path.open("rb") as file:
            is_zip = file.read(4) in _BEGINS
        if not is_zip:
            return None
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if any(name.startswith(_WORKBOOK) for name in names):
        return None
    names = sorted((name for name in names if not name.startswith("__MACOSX/")), key=natural)
    found = [name for name in names if wanted is None or PurePosixPath(name).match(wanted)]
    few = f"{', '.join(names[:_FEW])}{' …' if len(names) > _FEW else ''}"
    if not names:
        raise SourceError(f"{path}: a zip without any file; fetch it again")
    if not found:
        raise SourceError(f"{path}: no member matches member = {wanted!r}, it holds {few}; mend the glob".replace("'", '"'))
    if wanted is None and len(found) > 1:
        same = PurePosixPath(names[0]).suffix
        raise SourceError(f'{path}: a zip of {len(names)} files ({few}); say which to read, such as member = "*{same}"')
    return found


def open_member(path: Path, name: str, takes_json: TakenJson = None) -> BinaryIO:
    """Open a member of text, plain or packed once more.

    Raises:
        EmptyFileError: it is empty.
        SourceError: there is none, it needs a password, is packed in a way that is not known here, or is no text.
    """
    with refusing(path), _unpacking(path, name):
        archive = zipfile.ZipFile(path)
        with archive:
            if not archive.getinfo(name).file_size:
                raise EmptyFileError(f"{path}: its {name} is empty, 0 bytes; expected rows")
            return open_stream(cast(BinaryIO, archive.open(name)), path / name, takes_json=takes_json)


@contextmanager
def _unpacking(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:
        raise SourceError(
            f"{path}: its {name} is packed in a way that is not known here ({error}); pack it anew: zip -9"
        ) from error
    except RuntimeError as error:
        raise SourceError(f"{path}: its {name} cannot be opened ({error}); unpack it, and name the file itself") from error
    except KeyError as error:
        raise SourceError(f"{path}: has no member {name} any more; run again once it is written") from error
