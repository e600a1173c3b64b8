"""Settings that were tried before they are advised."""

from collections.abc import Callable, Iterator

from pipeline.errors import ContractError
from pipeline.sids.config import SidsConfig


class TooFewVectorsError(ContractError):
    """A level has fewer distinct vectors than codes."""


def settings_that_learn(config: SidsConfig, n_distinct: int, learn: Callable[[SidsConfig], object]) -> str:
    """What to set so that learning succeeds, as a part of a sentence; each candidate is learned with, so that the advice is true.

    Args:
        config: with which learning failed.
        n_distinct: distinct vectors, all in all.
        learn: raises ContractError where a configuration does not do either.
    """
    if n_distinct > 1:
        for other in _weaker(config, n_distinct):
            try:
                learn(other)
            except ContractError:
                continue
            return "set " + " and ".join(_difference(config, other))
    return "no codes can tell them apart: bring vectors that differ, or choose other embeddings.parts"


def _weaker(config: SidsConfig, n_distinct: int) -> Iterator[SidsConfig]:
    """Fewer codes a level, from most to least; then fewer levels."""
    most = min(n_distinct, max(config.vocabulary_per_level))
    codes = [most, *(1 << power for power in range(most.bit_length() - 1, 0, -1) if 1 << power < most)]
    for levels in range(config.levels, 0, -1):
        for cap in codes:
            capped = tuple(min(cap, each) for each in config.vocabulary_per_level[:levels])
            told: int | tuple[int, ...] = capped[0] if len(set(capped)) == 1 else capped
            yield config.model_copy(
                update={"levels": levels, "vocabulary": told, "locked_levels": min(config.locked_levels, levels - 1)}
            )


def _difference(config: SidsConfig, other: SidsConfig) -> Iterator[str]:
    for name in ("levels", "vocabulary", "locked_levels"):
        before, now = getattr(config, name), getattr(other, name)
        # a list of codes has an entry a level, so it changes with the levels
        if now != before:
            yield f"sids.{name} = {list(now) if isinstance(now, tuple) else now}"
