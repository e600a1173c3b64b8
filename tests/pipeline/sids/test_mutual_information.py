import numpy as np
import pytest

from pipeline.sids.mutual_information import adjusted, normalised

# Halves and quarters of eight items that say nothing of one another.
HALVES, CROSSED = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 1, 0, 0, 1, 1])


def test_groupings_that_say_nothing_of_one_another_and_those_that_say_all() -> None:
    """Crossed halves: I = 0, below what chance gives. The same under other numbers: all."""
    assert normalised(HALVES, CROSSED) == pytest.approx(0.0, abs=1e-12)
    assert adjusted(HALVES, CROSSED) < 0
    assert (normalised(HALVES, 7 - HALVES), adjusted(HALVES, 7 - HALVES)) == (pytest.approx(1.0), pytest.approx(1.0))


def test_groups_of_one_item_each_tell_everything_and_nothing_beyond_chance() -> None:
    """I = H(halves) = log 2 and H(alone) = log 8, so NMI = 2 · 1 / (1 + 3); any two halves would be told as well."""
    alone = np.arange(8)
    assert normalised(HALVES, alone) == pytest.approx(0.5)
    assert adjusted(HALVES, alone) == pytest.approx(0.0, abs=1e-9)
    assert adjusted(alone, alone) == 1.0
    assert (normalised(alone * 0, alone * 0), adjusted(alone * 0, alone * 0)) == (1.0, 1.0)


@pytest.mark.parametrize(("n", "n_first", "n_second"), [(3, 2, 2), (400, 5, 40), (400, 60, 3), (2000, 30, 900)])
def test_the_figures_are_those_of_scikit_learn(n: int, n_first: int, n_second: int) -> None:
    from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

    random = np.random.default_rng(n)
    first = random.integers(0, n_first, n)
    second = np.where(random.random(n) < 0.5, first * 7, random.zipf(1.5, n) % n_second)
    assert normalised(first, second) == pytest.approx(normalized_mutual_info_score(first, second), abs=1e-10)
    assert adjusted(first, second) == pytest.approx(adjusted_mutual_info_score(first, second), abs=1e-9)
