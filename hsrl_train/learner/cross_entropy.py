"""The cross-entropy method for searching policies (Mannor, Rubinstein, Gat, ICML 2003): the best of many shape the next many."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

ELITE_SHARE = 0.2
# Share of the first spread below which no coordinate falls, so that none is settled by the luck of one round.
LEAST_SPREAD = 1 / 6

Values = Callable[[Float[Tensor, "c f"]], Float[Tensor, " c"]]


def cross_entropy_search(
    values: Values,
    n_coordinates: int,
    n_rounds: int,
    n_candidates: int,
    first_spread: float,
    generator: torch.Generator,
    progress: Callable[[int, float], None] | None = None,
) -> Float[Tensor, " f"]:
    """Search from zero for where ``values`` is high.

    Args:
        values: of candidates, on the processor as they are; noisy is fine, as long as all candidates of a call meet the same luck.
        n_coordinates: f.
        n_rounds: how often the mean and the spread of the candidates move to those of the best fifth.
        n_candidates: c of a round; the mean so far is always one of them.
        first_spread: standard deviation of the first candidates.
        generator: draws candidates.
        progress: called with (rounds done, value of the mean that the round began with) after each.

    Returns:
        The mean after the last round.
    """
    mean, spread = torch.zeros(n_coordinates, device="cpu"), torch.full((n_coordinates,), first_spread, device="cpu")
    for round_number in range(1, n_rounds + 1):
        candidates = mean + spread * torch.randn(n_candidates, n_coordinates, generator=generator, device="cpu")
        candidates[0] = mean
        found = values(candidates)
        elite = candidates[found.topk(max(2, int(ELITE_SHARE * n_candidates))).indices]
        mean, spread = elite.mean(dim=0), elite.std(dim=0).clamp_min(LEAST_SPREAD * first_spread)
        if progress is not None:
            progress(round_number, float(found[0]))
    return mean
