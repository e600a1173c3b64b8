"""Fitting the codes of all levels together."""

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.sids.joint import _with_room, refine_jointly
from pipeline.sids.nearest import nearest_codes

Matrix = npt.NDArray[np.float32]


def column(*values: float) -> Matrix:
    """(n, 1) float32."""
    return np.array(values, dtype=np.float32)[:, None]


def mean_square(left: Matrix) -> float:
    """Mean of ‖r‖²."""
    return float((left.astype(np.float64) ** 2).sum(axis=1).mean())


def test_a_bias_that_no_single_level_sees_is_taken_out() -> None:
    """−5, −3, 3 and 5 under coarse ±4 and fine −1, 1.5: every fine 1.5 is 0.5 too far, and its mean says so."""
    fitted = refine_jointly(column(-5, -3, 3, 5), None, (column(-4, 4), column(-1, 1.5)), 20)
    assert fitted.left[:, 0] == pytest.approx([0, 0, 0, 0], abs=1e-3)
    assert [tokens.tolist() for tokens in fitted.tokens] == [[0, 0, 1, 1], [0, 1, 0, 1]]


def test_a_code_without_rows_goes_to_the_row_described_worst() -> None:
    """One code at 0.5 for 0, 1 and 9, the other far off: 9 is the worst and gets it, without any round of fitting."""
    fitted = refine_jointly(column(0, 1, 9), None, (column(0.5, 100),), 0)
    assert fitted.codes[0][:, 0].tolist() == [0.5, 9.0]
    assert fitted.tokens[0].tolist() == [0, 0, 1]


def test_two_codes_without_rows_go_to_two_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """0, 5 and 9 all under 0: 9 takes one code, 5 the other, in one repair."""
    monkeypatch.setattr("pipeline.sids.joint.REPAIRS", 1)
    fitted = refine_jointly(column(0, 5, 9), None, (column(0, 100, 200),), 0)
    assert sorted(fitted.codes[0][:, 0].tolist()) == [0.0, 5.0, 9.0]


def test_heavy_rows_draw_the_codes() -> None:
    """One code for 0 and 10, the second weighing three times as much: at 7.5; and 5 where both weigh the same."""
    heavy = refine_jointly(column(0, 10), np.array([1, 3], dtype=np.float32), (column(2),), 20)
    assert heavy.codes[0][0, 0] == pytest.approx(7.5, abs=1e-3)
    assert refine_jointly(column(0, 10), None, (column(2),), 20).codes[0][0, 0] == pytest.approx(5.0, abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_rounds_never_make_it_worse(seed: int) -> None:
    """Few codes in few dimensions, where steps beyond the mean would run away if they were not taken back."""
    draw = np.random.default_rng(seed)
    rows = draw.standard_normal((300, 3)).astype(np.float32)
    levels = (rows[:8], 0.5 * draw.standard_normal((8, 3)).astype(np.float32))
    before, *after = (mean_square(refine_jointly(rows, None, levels, n).left) for n in (0, 1, 3, 20))
    assert max(after) <= before


def test_codes_given_are_left_as_they_were() -> None:
    given = (column(-4, 4), column(-1, 1.5))
    refine_jointly(column(-5, -3, 3, 5), None, given, 5)
    assert [level[:, 0].tolist() for level in given] == [[-4, 4], [-1, 1.5]]


def test_a_crowded_code_gives_its_farthest_rows_to_the_nearest_with_room() -> None:
    """Rows 0, 1, 2, 3 and 10 under codes 0, 4.5, 10: nearest 0 0 0 1 2. With room for two, 2 goes to 4.5, and nothing else moves."""
    codes, rows = column(0, 4.5, 10), column(0, 1, 2, 3, 10)
    nearest = nearest_codes(rows, codes)
    assert nearest.tolist() == [0, 0, 0, 1, 2]
    assert _with_room(rows, codes, nearest, 2).tolist() == [0, 0, 1, 1, 2]


def test_what_is_given_away_may_be_handed_on() -> None:
    """Six rows near 0, room for two a code: four go to 1, and the two of them that are farthest from 1 go on to 5."""
    codes, rows = column(0, 1, 5), column(0, 0.01, 0.02, 0.03, 0.04, 0.05)
    assert _with_room(rows, codes, nearest_codes(rows, codes), 2).tolist() == [0, 0, 2, 2, 1, 1]


def test_codes_go_where_rows_are_many() -> None:
    """Rows 0, 1, 2, 3 and 20 under 1.5 and 20: without a limit that is best; with 1.2 of the mean of 2.5, three at most, 20 shares."""
    rows, start = column(0, 1, 2, 3, 20), (column(1.5, 20.0),)
    assert refine_jointly(rows, None, start, 20).codes[0][:, 0] == pytest.approx([1.5, 20.0])
    even = refine_jointly(rows, None, start, 20, 1.2)
    assert even.codes[0][0, 0] < 1.3
    assert even.codes[0][1, 0] < 15.0
