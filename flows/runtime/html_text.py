"""Text from outside in a page: escaped, and unable to steer a screen or to turn the direction of reading."""

import unicodedata
from html import escape


def as_html(text: str) -> str:
    """A text as HTML: escaped, and what would steer a screen or turn the direction of reading written out."""
    return escape("".join(letter if letter == "\n" or not _steers(letter) else _written(letter) for letter in text))


def _steers(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") or unicodedata.bidirectional(letter) in (
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
    )  # fmt: skip


def _written(letter: str) -> str:
    return f"\\x{ord(letter):02x}" if ord(letter) <= 0xFF else f"\\u{ord(letter):04x}"
