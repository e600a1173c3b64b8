"""Ids of what was learned and stored: sixteen digits of a SHA-256."""

import hashlib
from collections.abc import Iterable

_N_DIGITS = 16


def short_sha256(pieces: Iterable[bytes]) -> str:
    """Sixteen hexadecimal digits (64 bits) of the SHA-256 of some pieces of bytes, one after another."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()[:_N_DIGITS]
