"""How evenly a policy spreads what it shows."""

import numpy as np
import numpy.typing as npt


def gini(exposure: npt.NDArray[np.int64]) -> float:
    """Gini coefficient of how often each of n items was shown.

        G = Σ_i (2 i − n − 1) x_i / (n Σ_i x_i),   x rising, i = 1 … n

    0 where all are shown alike, 1 − 1/n where one item gets everything. Items that were never shown count.

    Raises:
        ValueError: nothing was shown.
    """
    x = np.sort(exposure)
    n, total = len(x), int(x.sum())
    if not total:
        raise ValueError(f"none of {n} items was shown, so that there is no share to compare")
    return float(((2 * np.arange(1, n + 1) - n - 1) * x).sum() / (n * total))
