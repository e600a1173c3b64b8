"""The Gini coefficient of exposure."""

import numpy as np
import pytest

from hsrl_train.evaluation.exposure import gini


def test_equal_exposure_is_zero() -> None:
    assert gini(np.array([3, 3, 3, 3])) == 0


def test_one_item_that_gets_everything_is_near_one() -> None:
    """n = 4: 1 − 1/4."""
    assert gini(np.array([0, 12, 0, 0])) == pytest.approx(0.75)


def test_gini_by_hand() -> None:
    """x = (1, 3): ((2 − 3) · 1 + (4 − 3) · 3) / (2 · 4) = .25, in any order."""
    assert gini(np.array([3, 1])) == pytest.approx(0.25)


def test_nothing_shown_has_no_gini() -> None:
    with pytest.raises(ValueError, match="none of 2 items"):
        gini(np.array([0, 0]))
