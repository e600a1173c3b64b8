"""The SQL files of the project: one statement each, under a short header of ``-- key: value`` lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.errors import WarehouseError

SQL_ROOT = Path(__file__).parents[2] / "sql"


@dataclass(frozen=True)
class Statement:
    """One SQL file.

    Attributes:
        name: the file's name without its ending.
        header: the keys of its header, such as grain, reads, doc and severity.
        sql: the whole text.
    """

    name: str
    header: dict[str, str]
    sql: str

    @property
    def doc(self) -> str:
        """What it is, in a sentence."""
        return self.header["doc"]


def read_statement(path: Path) -> Statement:
    """Read a SQL file and its header.

    Raises:
        WarehouseError: the header says no ``doc``.
    """
    sql = path.read_text(encoding="utf-8")
    header: dict[str, str] = {}
    for line in sql.splitlines():
        if not line.startswith("-- "):
            break
        key, _, value = line.removeprefix("-- ").partition(": ")
        header[key] = value
    if "doc" not in header:
        raise WarehouseError(f"{path.name}: its header has no doc, expected a line like: -- doc: what it answers")
    return Statement(path.stem, header, sql)


def statements(folder: str, root: Path = SQL_ROOT) -> Iterator[Statement]:
    """The SQL files of one folder (schema, views, macros, audits, examples, queries) in the order of their names."""
    for path in sorted((root / folder).glob("*.sql")):
        yield read_statement(path)


@cache
def statement(name: str) -> str:
    """The text of ``sql/queries/<name>.sql``, for ``Lake.query`` and ``Lake.read``; its ``$parameters`` are bound, never written in.

    Raises:
        WarehouseError: there is no such file, or its header says no ``doc``.
    """
    path = SQL_ROOT / "queries" / f"{name}.sql"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.sql")))
        raise WarehouseError(f"sql/queries has no {name}.sql, expected one of: {known}")
    return read_statement(path).sql
