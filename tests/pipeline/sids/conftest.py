"""The line world of the tokenizer's tests, and short ways to write its frames."""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from pipeline.contracts import EMBEDDINGS, ITEMS
from pipeline.sids.codebook import Codebook


@pytest.fixture(scope="session")
def line() -> Codebook:
    """Two levels of two codes on a line: coarse ±4, fine ±1, so ±3 and ±5 are reachable."""
    levels = (np.array([[-4.0], [4.0]], dtype=np.float32), np.array([[-1.0], [1.0]], dtype=np.float32))
    return Codebook(levels, (np.array([3, 5]), np.array([4, 4])), ood_error=4.0, embedding_id="line")


@pytest.fixture(scope="session")
def embed() -> Callable[..., pl.DataFrame]:
    """Writes EMBEDDINGS: ``embed({7: [5.2], 8: [-3.1]}, without_signal=[8])``."""

    def write(vectors: dict[int, list[float]], without_signal: Iterable[int] = (), model: str = "line") -> pl.DataFrame:
        lacking = set(without_signal)
        rows = [(model, item, vector, item not in lacking) for item, vector in vectors.items()]
        return pl.DataFrame(rows, schema=EMBEDDINGS.schema, orient="row")

    return write


@pytest.fixture(scope="session")
def embed_matrix() -> Callable[..., pl.DataFrame]:
    """Writes EMBEDDINGS from an (n, d) matrix; items are 0 … n−1, all with signal."""

    def write(vectors: npt.NDArray[np.float32], model: str = "line") -> pl.DataFrame:
        columns = {
            "embedding_id": [model] * len(vectors),
            "item_id": np.arange(len(vectors)),
            "vector": pl.Series(vectors.astype(np.float32)).arr.to_list(),
            "has_signal": [True] * len(vectors),
        }
        return pl.DataFrame(columns, schema=EMBEDDINGS.schema)

    return write


@pytest.fixture(scope="session")
def catalogue() -> Callable[..., pl.DataFrame]:
    """Writes ITEMS: ``catalogue([7, 8], inactive=[9])``."""

    def write(active: Iterable[int], inactive: Iterable[int] = ()) -> pl.DataFrame:
        flags = dict.fromkeys(active, True) | dict.fromkeys(inactive, False)
        rows = [(item, str(item), None, [], None, None, None, is_active) for item, is_active in flags.items()]
        return pl.DataFrame(rows, schema=ITEMS.schema, orient="row")

    return write
