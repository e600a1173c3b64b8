"""Where a user or an item is named in words: examples of audits, messages of runs, morning pages."""

import html
import re
from pathlib import Path

import polars as pl

from flows.refresh.forgotten_rows import BLANK
from flows.report.write import FOLDER
from pipeline.warehouse.ledger import replace_messages
from pipeline.warehouse.tables import AUDITS
from pipeline.warehouse.warehouse import Warehouse

# Behind it a message quotes a raw row.
_QUOTE = re.compile(r"first (?:at|is line) .*?\d: ")
_BETWEEN_COLUMNS = r"[^\pL\pN_-]{1,9}"


class Mention:
    """Finds an id as a word: the raw one, of several columns with whatever stands between them, or the number that hsrl made of it."""

    def __init__(self, raw_id: str, number: int) -> None:
        columns = [part.replace("\\|", "|").replace("\\\\", "\\") for part in re.split(r"(?<!\\)\|", raw_id)]
        spellings = [_spelled(raw_id), str(number)]
        if len(columns) > 1:
            spellings.append(_BETWEEN_COLUMNS.join(_spelled(column) for column in columns))
        words = "|".join(dict.fromkeys(spellings))
        self.is_number = raw_id == str(number)
        self.sql = rf"(^|[^\pL\pN_-])({words})($|[^\pL\pN_-])"
        self.pattern = re.compile(rf"(?<![\w-])({words.replace(_BETWEEN_COLUMNS, '[^0-9A-Za-z_-]{1,9}')})(?![\w-])")

    def blanked(self, message: str) -> str:
        """A run's message without the id; where that is a number, only in a raw row that it quotes, as elsewhere it counts something."""
        quote = _QUOTE.search(message)
        if not self.is_number:
            return self.pattern.sub(BLANK, message)
        return message if quote is None else message[: quote.end()] + self.pattern.sub(BLANK, message[quote.end() :])


def _spelled(text: str) -> str:
    """A pattern of a text, in which CSV doubles a quote and JSON puts a backslash before it."""
    return re.escape(text).replace('"', r'\\?"{1,2}')


def audits_without(warehouse: Warehouse, mention: Mention) -> pl.DataFrame:
    """AUDITS without the examples that name the id; how many offenders there were stays."""
    without = (
        "SELECT * REPLACE (list_filter(examples, lambda example: NOT regexp_matches(example, $words)) AS examples) FROM audits"
    )
    return warehouse.read(AUDITS, without, {"words": mention.sql})


def blank_messages(warehouse: Warehouse, run_id: str, mention: Mention) -> int:
    """Take the id out of what earlier runs said, as where a refused night quoted a row; how many messages had it."""
    rows = warehouse.query("SELECT run_id, message FROM runs WHERE message IS NOT NULL").rows()
    changed = {of: blanked for of, message in rows if (blanked := mention.blanked(message)) != message}
    if changed:
        replace_messages(warehouse, run_id, changed)
    return len(changed)


def drop_pages(root: Path, mention: Mention) -> int:
    """Delete the morning pages that name the id; how many. The next night writes its own."""
    pages = [
        page for page in (root / FOLDER).glob("*.html") if mention.pattern.search(html.unescape(page.read_text(errors="replace")))
    ]
    for page in pages:
        page.unlink()
    return len(pages)
