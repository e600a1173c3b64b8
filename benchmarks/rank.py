"""Scoring 500 candidates of 64 requests from logits, softmax included: packed tokens against plain torch gathers.

Prints CPU seconds, not wall seconds, so that the figures mean something on a shared machine. Run: python benchmarks/rank.py
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from hsrl_train.learner.hpn import token_columns
from hsrl_train.serving.ranker import PackedSids

BATCH, CANDIDATES, ITEMS = 64, 500, 1_000_000
ROUNDS, REPEATS = 7, 100


def cpu_seconds(work: Callable[[], object]) -> list[float]:
    """Seconds a batch, by round; the first call warms up."""
    work()
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REPEATS):
            work()
        found.append((time.process_time() - began) / REPEATS)
    return found


def main() -> None:
    """Both ways on the same numbers, for the paper's V and for the default."""
    torch.set_num_threads(1)
    for n_codes in (64, 256):
        vocabulary = (n_codes,) * 3
        generator = torch.Generator().manual_seed(0)
        tokens = torch.randint(n_codes, (ITEMS + 1, 3), generator=generator)
        items = torch.randint(1, ITEMS + 1, (BATCH, CANDIDATES), generator=generator)
        logits = torch.randn(BATCH, sum(vocabulary), generator=generator)
        sids, numbers = PackedSids(tokens.numpy(), vocabulary), items.numpy()

        def log_probs(logits: torch.Tensor = logits, n_codes: int = n_codes) -> torch.Tensor:
            return torch.cat([level.log_softmax(dim=1) for level in logits.split(n_codes, dim=1)], dim=1)

        def plain(
            tokens: torch.Tensor = tokens, items: torch.Tensor = items, vocabulary: tuple[int, ...] = vocabulary
        ) -> torch.Tensor:
            columns = token_columns(tokens[items], vocabulary)
            return log_probs().gather(1, columns.flatten(1)).view(columns.shape).sum(dim=2)

        def packed(sids: PackedSids = sids, numbers: np.ndarray = numbers) -> np.ndarray:
            return sids.scores(log_probs().numpy(), numbers)

        assert np.allclose(plain().numpy(), packed(), atol=1e-5)
        seconds = {"plain torch gather": cpu_seconds(plain), "packed": cpu_seconds(packed)}
        for name, rounds in seconds.items():
            rates = sorted(BATCH / second for second in rounds)
            print(
                f"V = {n_codes}, {name}: {statistics.median(rates):,.0f} requests a CPU second ({rates[0]:,.0f} … {rates[-1]:,.0f})"
            )
        ratio = statistics.median(seconds["plain torch gather"]) / statistics.median(seconds["packed"])
        sizes = f"{sids.packed.nbytes / 2**20:.1f} MB, as int64 {tokens.nbytes / 2**20:.1f} MB"
        print(f"V = {n_codes}: {ratio:.1f} times as fast; table of {ITEMS:,} items {sizes}")


if __name__ == "__main__":
    main()
