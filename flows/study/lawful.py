"""The temper law of a study: whether every session ended as the rules have it."""

from collections.abc import Sequence

from flows.study.trial import Outcome

_ROUNDING = 1e-3  # rewards are sums of single precision, of up to max_steps slates


def temper_line(outcomes: Sequence[Outcome]) -> str:
    """How many sessions of all judgements obey the temper law, a line: who leaves before ``max_steps`` has spent above temper0 − 1.

    A session spends (1 + K) · depth − K · reward (docs/protocol.md).
    """
    n_sessions = n_broken = 0
    for outcome in outcomes:
        rules = outcome.trial.settings.environment
        for played in (played for result in outcome.results for played in result.rollouts):
            spent = (1 + played.k) * played.depths - played.k * played.rewards
            left = played.depths < rules.max_steps
            n_sessions += played.depths.size
            n_broken += int((left & (spent <= rules.temper0 - 1 - _ROUNDING)).sum())
    how = "holds in every one" if not n_broken else f"is broken in {n_broken:,}"
    return f"the temper law (docs/protocol.md) {how} of {n_sessions:,} sessions"
