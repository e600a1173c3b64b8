"""When a learned level is of no use, and which settings would make a useful one; docs/tokenizer.md has what was measured."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.sids.config import SidsConfig

LEAST_USED_SHARE = 0.99
MOST_ITEMS = 0.9  # of the items, that have to be spread
Counts = npt.NDArray[np.int64]


def codes_for_most(counts: Counts) -> int:
    """The fewest codes that together hold nine tenths of the items."""
    held = np.cumsum(np.sort(counts)[::-1])
    return int(np.searchsorted(held, MOST_ITEMS * held[-1] * (1 - 1e-12))) + 1


def codes_needed(n_codes: int) -> int:
    """The codes that nine tenths of the items have to be spread over: 2 of fewer than 16 codes, else 3, else one in twenty.

    Over one code alone they are where it holds more than nine tenths: the level tells nearly no two items apart. Over three of 64 they
    are in an hourglass.
    """
    return 2 if n_codes < 16 else max(3, -(-n_codes // 20))


def fault_of(level: int, counts: Counts) -> str:
    """What is wrong with a level; empty where nothing is.

    Args:
        level: its number, from 1.
        counts: (V,) distinct vectors that take each code.
    """
    n_codes, used = len(counts), int(np.count_nonzero(counts))
    if used < LEAST_USED_SHARE * n_codes:
        return f"level {level} uses {used} of its {n_codes} codes, expected {LEAST_USED_SHARE:.0%}"
    if (n_most := codes_for_most(counts)) >= codes_needed(n_codes):
        return ""
    if n_most == 1:
        return f"level {level} has {counts.max() / counts.sum():.1%} of its items in one of {n_codes} codes, expected at most {MOST_ITEMS:.0%}"
    return (
        f"level {level} has {MOST_ITEMS:.0%} of its items in {n_most} of {n_codes} codes, expected them in {codes_needed(n_codes)} at least "
        "(an hourglass: few codes hold most items)"
    )


def advice(config: SidsConfig, n_distinct: int, passes: Callable[[SidsConfig], bool]) -> str:
    """The first of some settings that was tried and passes, as words; what else can be done where none does.

    Args:
        config: the settings that did not pass.
        n_distinct: distinct vectors with signal.
        passes: whether settings make a codebook of the same vectors that is refused for nothing.
    """
    for tried, words in _candidates(config, n_distinct):
        if passes(tried):
            return f"set {words} (tried: it passes)"
    return "no fewer codes or levels pass either; choose other embeddings.parts, or mend the vectors"


def _candidates(config: SidsConfig, n_distinct: int) -> Iterator[tuple[SidsConfig, str]]:
    """Fewer codes at the same levels, then fewer levels, with the words for them."""
    widest = config.vocabulary_per_level
    for levels in range(config.levels, max(config.locked_levels, 0), -1):
        levels_too = f" and sids.levels = {levels}" if levels < config.levels else ""
        for codes in _halved(min(max(widest), n_distinct)):
            capped = tuple(min(codes, most) for most in widest[:levels])
            if capped == widest:
                continue
            vocabulary: int | list[int] = capped[0] if len(set(capped)) == 1 else list(capped)
            changed = config.model_dump() | {"levels": levels, "vocabulary": vocabulary}
            yield SidsConfig.model_validate(changed), f"sids.vocabulary = {vocabulary}{levels_too}"


def _halved(most: int) -> Sequence[int]:
    """``most`` and, below it, the powers of two from 2."""
    powers = [2**power for power in range(15, 0, -1) if 2**power < most]
    return [most, *powers] if most > 1 else []
