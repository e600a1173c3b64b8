"""How a Semantic ID is written, as text and as a single number, and a hash of item ids that decides ties."""

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline import columns as c

MAX_CODES = 2**16  # codes are uint16


def key_space_fits(vocabulary: tuple[int, ...]) -> bool:
    """Whether every Semantic ID has a number of its own below 2^64."""
    return math.prod(vocabulary) <= 2**64


def sid_keys(tokens: npt.NDArray[np.uint16], vocabulary: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    """The Semantic ID as one number, mixed radix, level 1 most significant.

        key = ((z_1 · V_2 + z_2) · V_3 + z_3) …

    Keys therefore sort like tokens, and a prefix is a range of keys.

    Args:
        tokens: (n, L), tokens[:, l] in [0, vocabulary[l]).
        vocabulary: V_l of the L levels, their product at most 2^64.

    Returns:
        (n,) keys in [0, Π V_l).
    """
    keys = np.zeros(len(tokens), dtype=np.uint64)
    for level, codes in enumerate(vocabulary):
        keys = keys * np.uint64(codes) + tokens[:, level].astype(np.uint64)
    return keys


def name_tokens(tokens: npt.NDArray[np.uint16], vocabulary: tuple[int, ...]) -> pl.DataFrame:
    """The columns ``tokens``, ``sid`` (``12-203-7``) and ``sid_key`` of n items, in their order."""
    levels = [pl.Series(f"l{level}", tokens[:, level]) for level in range(tokens.shape[1])]
    keys = pl.Series(c.SID_KEY.name, sid_keys(tokens, vocabulary), dtype=pl.UInt64())
    return pl.DataFrame([*levels, keys]).select(
        pl.concat_list(level.name for level in levels).cast(c.TOKENS.dtype).alias(c.TOKENS.name),
        pl.concat_str([level.name for level in levels], separator="-").alias(c.SID.name),
        c.SID_KEY.name,
    )


def fixed_hash(item_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """A number for each id that looks random and is the same on every machine and version (the finaliser of SplitMix64).

    Samples and ties are ordered by it: polars' and Python's own hashes change between versions and runs.
    """
    mixed = item_ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
