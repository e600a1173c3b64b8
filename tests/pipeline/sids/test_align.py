"""New codes take old numbers."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts import SID_HISTORY, open_rows
from pipeline.sids.align import aligned_with_history, old_numbers, renumbered
from pipeline.sids.assign import apply_changes
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode
from tests.support.sids import assign_night

Frames = Callable[..., pl.DataFrame]


def tokens(*rows: tuple[int, ...]) -> np.ndarray:
    """(n, L) uint16."""
    return np.array(rows, dtype=np.uint16)


def test_a_code_takes_the_number_that_most_of_its_items_had() -> None:
    """New 0 holds two items of old 2 and one of old 1; new 1 holds one of old 2; new 2 nobody, so it takes what is left, 0."""
    [numbers] = old_numbers(tokens((2,), (2,), (1,), (2,)), tokens((0,), (0,), (0,), (1,)), (3,))
    assert numbers.tolist()[0] == 2
    assert sorted(numbers.tolist()) == [0, 1, 2]


def test_codes_that_no_item_has_stay_where_they_are() -> None:
    """Of eight codes one has items and keeps its number: so do the others."""
    assert old_numbers(tokens((3,), (3,)), tokens((3,), (3,)), (8,))[0].tolist() == list(range(8))


def test_the_best_assignment_is_taken_and_not_the_greedy() -> None:
    """Counts new × old: 0: (3, 2), 1: (3, 0). Greedy gives 0 → 0 and 3 + 0; the best is 0 → 1, 1 → 0, 2 + 3."""
    old = tokens(*[(0,)] * 3, *[(1,)] * 2, *[(0,)] * 3)
    new = tokens(*[(0,)] * 5, *[(1,)] * 3)
    assert old_numbers(old, new, (2,))[0].tolist() == [1, 0]


def test_below_a_kept_prefix_items_count_more() -> None:
    """At level 1 item 3 does not keep its number. At level 2 it would alone outvote nobody: item 0, whose prefix was kept, decides."""
    old, new = tokens((0, 0), (0, 0), (0, 1), (1, 1), (1, 1)), tokens((0, 1), (0, 1), (0, 1), (0, 1), (1, 0))
    first, second = old_numbers(old, new, (2, 2))
    assert first.tolist() == [0, 1]
    assert second.tolist() == [1, 0]  # two of prefix 0 say so and one the contrary; item 3 would make it a tie


def test_numbers_outside_the_new_vocabulary_count_for_nobody() -> None:
    """Old codes 5 and 9 do not exist any more: only the last item says anything."""
    assert old_numbers(tokens((5,), (9,), (1,)), tokens((0,), (0,), (0,)), (2,))[0].tolist() == [1, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_renumbering_is_undone(seed: int) -> None:
    """Codes in another order get their old numbers back, and every vector its old tokens."""
    draw = np.random.default_rng(seed)
    levels = tuple(draw.standard_normal((6, 3)).astype(np.float32) for _ in range(2))
    counts = tuple(np.arange(6) for _ in range(2))
    book = Codebook(levels, counts, 1.0, "m")
    shuffled = renumbered(book, [draw.permutation(6) for _ in range(2)])
    vectors = np.concatenate([levels[0] + code for code in levels[1]])
    before, after = encode(vectors, book).tokens, encode(vectors, shuffled).tokens
    again = renumbered(shuffled, old_numbers(before, after, book.vocabulary))
    same = encode(vectors, again).tokens == before
    assert same.all()
    assert all(
        (a[np.unique(before[:, level])] == b[np.unique(before[:, level])]).all()
        for level, (a, b) in enumerate(zip(again.centroids, book.centroids, strict=True))
    )


def test_a_rebuild_of_the_same_codes_says_what_its_numbers_kept(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    """The line's codes in the other order: by number no item of four keeps both tokens, after alignment all do."""
    vectors = embed({1: [5.0], 2: [3.0], 3: [-3.0], 4: [-5.0]})
    history = apply_changes(
        SID_HISTORY.empty(), assign_night((1, catalogue([1, 2, 3, 4]), vectors), line, SID_HISTORY.empty()).upserts
    )
    swapped = renumbered(line, [np.array([1, 0]), np.array([1, 0])])
    book, figures = aligned_with_history(swapped, vectors, history)
    assert figures == {"kept_numbers_unaligned_share": 0.0}
    assert book.codebook_id == line.codebook_id
    held = open_rows(history).sort("item_id")["tokens"].to_list()
    assert encode(np.array([[5.0], [3.0], [-3.0], [-5.0]], dtype=np.float32), book).tokens.tolist() == held


def test_without_an_old_semantic_id_nothing_is_renumbered(line: Codebook, embed: Frames) -> None:
    assert aligned_with_history(line, embed({1: [5.0]}), SID_HISTORY.empty()) == (line, {})


@pytest.mark.parametrize("n_levels", [1, 3])
def test_semantic_ids_of_other_levels_are_no_model(line: Codebook, embed: Frames, catalogue: Frames, n_levels: int) -> None:
    vectors = embed({1: [5.0], 2: [-3.0]})
    history = assign_night((1, catalogue([1, 2]), vectors), line, SID_HISTORY.empty()).upserts
    other = Codebook(line.centroids[:1] * n_levels, line.n_items[:1] * n_levels, 1.0, line.embedding_id)
    assert aligned_with_history(other, vectors, history) == (other, {})
