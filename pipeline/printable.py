"""Text from outside on its way to a terminal: characters that control the terminal are escaped."""

import re

# Control characters (C0 and C1), and those that reverse the order of letters.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str, keep: str = "") -> str:
    r"""``text`` with every character that controls a terminal written as its code, such as ``\x1b``.

    Args:
        text: anything.
        keep: characters that are not escaped, such as the line feed.
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keep else _SHORT.get(found[0]) or escaped(found[0]), text)


def escaped(character: str) -> str:
    r"""A character as its code: ``\x1b``, ``\u202e``."""
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"
