"""A night of bad vectors: refused with its cause, or, where it was let through, without a trace after the next right one."""

import numpy as np
import numpy.typing as npt
import pytest

from tests.flows.test_nights import Nights, Vectors, clusters

LET_THROUGH = {"mode": "auto", "churn_budget": 0.003}


def shuffled(vectors: Vectors, share: float = 1.0) -> Vectors:
    """The vectors of a share of the items given to one another."""
    draw = np.random.default_rng(3)
    hit = draw.choice(list(vectors), int(share * len(vectors)), replace=False)
    return vectors | dict(zip(hit.tolist(), [vectors[item] for item in draw.permutation(hit).tolist()], strict=True))


@pytest.fixture
def nights(tmp_path):  # type: ignore[no-untyped-def]
    return Nights(tmp_path)


def mean(values: npt.NDArray[np.float32]) -> float:
    return float(values.mean(dtype=np.float64))


def test_nothing_of_a_bad_night_stays(nights: Nights) -> None:
    """Thirty newcomers come in the night of the shuffled file. The next right night describes everyone as before: codes that were
    centred on it are dropped, newcomers are decided anew, and what was measured on it is measured anew."""
    everyone = clusters(330)
    vectors = {item: vector for item, vector in everyone.items() if item <= 300}
    nights.night(vectors, **LET_THROUGH)
    before, _ = nights.errors(vectors)
    nights.night(shuffled(everyone), **LET_THROUGH)
    nights.night(everyone, **LET_THROUGH)
    held, nearest = nights.errors(everyone)
    newcomers = nights.open["item_id"].to_numpy() > 300
    assert mean(held[~newcomers]) < 1.1 * mean(before)
    assert (held[newcomers] <= 1.1 * nearest[newcomers] * 1.001).all()
    recorded = nights.open["recon_error"].to_numpy()
    assert (np.abs(recorded - held) <= 0.5 * held + 1e-3).all()
    assert nights.codebook is not None
    assert (nights.open["is_ood"].to_numpy() == (held > nights.codebook.ood_error)).all()


def test_nothing_of_a_bad_append_night_stays(nights: Nights) -> None:
    """The same where codes are frozen: newcomers of the bad night are not held to what it gave them."""
    everyone = clusters(330)
    nights.night({item: vector for item, vector in everyone.items() if item <= 300}, mode="append")
    nights.night(shuffled(everyone), mode="append")
    nights.night(everyone, mode="append")
    held, nearest = nights.errors(everyone)
    newcomers = nights.open["item_id"].to_numpy() > 300
    assert (held[newcomers] <= 1.1 * nearest[newcomers] * 1.001).all()
    assert (np.abs(nights.open["recon_error"].to_numpy() - held)[newcomers] <= 0.5 * held[newcomers] + 1e-3).all()
