"""The other ways to make tokens: what they encode they decode, and the same seed gives the same tokens."""

from typing import Any

import faiss
import numpy as np
import pytest
import torch

from benchmarks.tokenizer.autoencoders import Fsq
from benchmarks.tokenizer.comparators import WAYS, ByProduct, TokenSpace, product
from benchmarks.tokenizer.worlds import clouds

VECTORS = clouds(600, 16)
SPACE = TokenSpace(3, 16)


@pytest.mark.parametrize("way", [name for name in WAYS if "10 ×" not in name])
def test_a_way_describes_better_than_the_mean_and_repeats_itself(way: str) -> None:
    fit = WAYS[way](SPACE)
    first, again = fit(VECTORS, 3), fit(VECTORS, 3)
    tokens = first.encode(VECTORS)
    assert tokens.shape == (600, 3)
    assert tokens.max() < 16
    assert (tokens == again.encode(VECTORS)).all()
    error = ((VECTORS - first.decode(tokens)) ** 2).sum(axis=1).mean()
    assert error < ((VECTORS - VECTORS.mean(axis=0)) ** 2).sum(axis=1).mean()


def test_product_tokens_are_those_of_faiss() -> None:
    """17 coordinates are padded to 18, six a part, and come back as 17."""
    vectors = np.ascontiguousarray(clouds(600, 17))
    fitted = product(SPACE, rotated=False)(vectors, 0)
    assert isinstance(fitted, ByProduct)
    tokens = fitted.encode(vectors)
    padded = np.pad(vectors, ((0, 0), (0, 1)))
    quantizer: Any = fitted.quantizer  # faiss's stubs lack what it adds in Python
    expected = quantizer.decode(quantizer.compute_codes(padded))[:, :17]
    assert np.allclose(fitted.decode(tokens), expected)
    parts = faiss.vector_to_array(quantizer.centroids).reshape(3, 16, 6)
    nearest = ((padded[:, None, :6] - parts[0][None]) ** 2).sum(axis=2).argmin(axis=1)
    assert (tokens[:, 0] == nearest).all()


def test_product_refuses_codes_that_are_no_bits() -> None:
    with pytest.raises(ValueError, match="12 codes, expected a power of two"):
        product(TokenSpace(3, 12))(VECTORS, 0)


def test_fsq_tokens_stand_for_their_cells() -> None:
    """Decoding the tokens is decoding the rounded coordinates."""
    torch.manual_seed(0)
    network = Fsq(16, 3, (4, 4))
    rows = torch.from_numpy(VECTORS[:50])
    with torch.no_grad():
        assert torch.equal(network.vectors(network.tokens(rows)), network._decode(network.rounded(rows).round()))
        assert int(network.tokens(rows).max()) < 16
