"""Guard rails of a learned codebook: what passes, what is refused at every level, and advice that was tried."""

import re
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from pipeline.errors import ContractError
from pipeline.sids.config import SidsConfig
from pipeline.sids.learn import learn_codebook

Frames = Callable[..., pl.DataFrame]


def gaussian(n: int, d: int, decay: float = 0.0) -> np.ndarray:
    """n normal vectors of width d and length 1; the variance of coordinate k is k^-decay."""
    rows = np.random.default_rng(0).normal(size=(n, d)) / np.arange(1, d + 1) ** (decay / 2)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def advised(config: SidsConfig, message: str) -> SidsConfig:
    """The configuration after doing what the message says."""
    changes = {key: int(value) for key, value in re.findall(r"sids\.(vocabulary|levels) = (\d+)", message)}
    assert changes, message
    return SidsConfig.model_validate(config.model_dump() | changes)


def test_honest_vectors_of_768_coordinates_pass(embed_matrix: Frames) -> None:
    """Level 2 has .60 of its possible entropy, and k-means alone from random starts does no better."""
    learn_codebook(embed_matrix(gaussian(3_000, 768)), SidsConfig(vocabulary=64), seed=0)


def test_a_third_level_with_nearly_all_items_in_one_code_is_refused(embed_matrix: Frames) -> None:
    """3,559 of 3,686 items in one code, one in each other; levels 1 and 2 are fine. The advice is followed and passes."""
    rows, config = embed_matrix(gaussian(3_686, 256, decay=1.0)), SidsConfig(vocabulary=128)
    with pytest.raises(ContractError, match="level 3 has 96.6% of its items in one of 128 codes") as refused:
        learn_codebook(rows, config, seed=0)
    learn_codebook(rows, advised(config, str(refused.value)), seed=0)


@pytest.mark.parametrize("n", [34, 46, 80])
@pytest.mark.parametrize("vocabulary", [2, 3, 4, 8])
def test_small_catalogues_pass(embed_matrix: Frames, n: int, vocabulary: int) -> None:
    learn_codebook(embed_matrix(gaussian(n, 16)), SidsConfig(vocabulary=vocabulary), seed=0)


@pytest.mark.parametrize("n", [2, 3, 5, 34, 100])
def test_more_codes_than_items_are_refused_with_advice_that_passes(embed_matrix: Frames, n: int) -> None:
    rows, config = embed_matrix(gaussian(n, 16)), SidsConfig(vocabulary=256)
    with pytest.raises(ContractError, match=f"level 1 has {n} distinct vectors with signal for 256 codes") as refused:
        learn_codebook(rows, config, seed=0)
    learn_codebook(rows, advised(config, str(refused.value)), seed=0)
