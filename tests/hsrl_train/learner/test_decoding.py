"""Decoding over a few items whose Semantic IDs can be read off."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.decoding import SidIndex, left_out
from hsrl_train.learner.sections import DecodingConfig
from pipeline.errors import TrainingError


def catalogue(tokens: list[list[int]], popularity: list[float] | None = None, inactive: tuple[int, ...] = ()) -> Catalogue:
    """Items 1 … n with the given tokens over V = (2, 2)."""
    n = len(tokens)
    is_active = torch.ones(n + 1, dtype=torch.bool)
    is_active[[0, *inactive]] = False
    return Catalogue(
        item_ids=np.arange(1, n + 1),
        vectors=torch.zeros(n + 1, 1),
        tokens=torch.tensor([[-1, -1], *tokens]),
        vocabulary=(2, 2),
        is_active=is_active,
        popularity=torch.tensor([0.0, *(popularity or [1.0] * n)]),
    )


# π(z1) = (0.8, 0.2), π(z2) = (0.7, 0.3): SIDs 0-0 .56, 0-1 .24, 1-0 .14, 1-1 .06.
LOG_PROBS = torch.tensor([[0.8, 0.2, 0.7, 0.3]]).log()


def test_the_best_items_come_sid_by_sid_and_the_popular_first() -> None:
    """Items 1, 2 and 3 share 0-0, where 3 is the most popular; then 4 by 0-1, then 5 by 1-1."""
    index = SidIndex.of(catalogue([[0, 0], [0, 0], [0, 0], [0, 1], [1, 1]], popularity=[5, 1, 9, 0, 100]))
    assert index.best(index.scores(LOG_PROBS), 5).tolist() == [[3, 1, 2, 4, 5]]
    assert index.best(index.scores(LOG_PROBS), 2).tolist() == [[3, 1]]


def test_a_sids_probability_is_shared_by_hand() -> None:
    """0-0 (.56) holds items 1, 2, 3 of 5, 1, 9 likes; item 4 has 0-1 (.24) to itself, item 5 has 1-1 (.06).

    By popularity they have 6, 2, 10 of 18 parts: .187, .062, .311. Equally each has .187.
    """
    shown = catalogue([[0, 0], [0, 0], [0, 0], [0, 1], [1, 1]], popularity=[5, 1, 9, 0, 100])
    wanted = {
        "whole": ([3, 1, 2, 4, 5], [1, 1, 1, 1, 1]),
        "popularity": ([3, 4, 1, 2, 5], [6 / 18, 2 / 18, 10 / 18, 1, 1]),
        "equal": ([4, 3, 1, 2, 5], [1 / 3, 1 / 3, 1 / 3, 1, 1]),
    }
    for share, (order, parts) in wanted.items():
        index = SidIndex.of(shown, share=share)  # type: ignore[arg-type]
        assert index.best(index.scores(LOG_PROBS), 5).tolist() == [order]
        assert index.item_log_share().exp().tolist() == pytest.approx([1, *parts])


def test_only_what_may_be_shown_has_a_share() -> None:
    """Item 1 is inactive: items 2 and 3, of 0 and 2 likes, share their SID 1 : 3."""
    index = SidIndex.of(catalogue([[0, 0]] * 3, popularity=[9, 0, 2], inactive=(1,)), share="popularity")
    assert index.item_log_share().exp().tolist() == pytest.approx([1, 1, 1 / 4, 3 / 4])


def test_exploring_does_not_look_at_shares() -> None:
    """0-0 (.56) holds items of 999 and 0 likes, 1-0 (.14) one: single draws are .4, .4, .2 however the probability is shared."""
    index = SidIndex.of(catalogue([[0, 0], [0, 0], [1, 0]], popularity=[999, 0, 5]), share="popularity")
    drawn = index.sampled(index.scores(LOG_PROBS).expand(4000, -1), 1, 1.0, torch.Generator().manual_seed(1))
    assert (torch.bincount(drawn.flatten())[1:] / 4000).tolist() == pytest.approx([0.4, 0.4, 0.2], abs=0.03)


@pytest.mark.parametrize("within", ["recency", "uniform"])
def test_an_order_that_the_share_overrules_is_refused(within: str) -> None:
    with pytest.raises(ValueError, match=f"within_sid = {within} has no say .* set sid_share = equal or whole"):
        DecodingConfig(within_sid=within, sid_share="popularity")  # type: ignore[arg-type]


def test_a_policy_stored_before_there_were_shares_decodes_as_it_did() -> None:
    assert DecodingConfig.model_validate_json('{"within_sid": "recency", "leaves_out_seen": true}').sid_share == "whole"


def test_scores_are_products_of_token_probabilities() -> None:
    index = SidIndex.of(catalogue([[1, 0], [0, 1], [0, 0]]))
    assert index.scores(LOG_PROBS).exp().tolist() == [pytest.approx([0.56, 0.24, 0.14])]


def test_items_without_sid_or_inactive_are_never_shown() -> None:
    index = SidIndex.of(catalogue([[0, 0], [-1, -1], [0, 1], [1, 1]], inactive=(1,)))
    scores = index.scores(LOG_PROBS)
    assert index.best(scores, 2).tolist() == [[3, 4]]
    generator = torch.Generator().manual_seed(0)
    assert set(index.sampled(scores.expand(50, -1), 2, 1.0, generator).flatten().tolist()) == {3, 4}


def test_a_shared_sid_is_not_drawn_once_for_each_of_its_items() -> None:
    """0-0 (.56) holds 30 items, 1-0 (.14) one: of single draws the lone item gets .14 / .70 = .20, not .14 / 16.94 = .008."""
    index = SidIndex.of(catalogue([[0, 0]] * 30 + [[1, 0]]))
    drawn = index.sampled(index.scores(LOG_PROBS).expand(4000, -1), 1, 1.0, torch.Generator().manual_seed(1))
    assert (drawn == 31).float().mean().item() == pytest.approx(0.20, abs=0.03)


def test_within_a_sid_every_item_is_drawn_alike() -> None:
    index = SidIndex.of(catalogue([[0, 0]] * 4))
    drawn = index.sampled(index.scores(LOG_PROBS).expand(4000, -1), 1, 1.0, torch.Generator().manual_seed(2))
    assert (torch.bincount(drawn.flatten())[1:] / 4000).tolist() == pytest.approx([0.25] * 4, abs=0.03)


def test_a_low_temperature_draws_the_best() -> None:
    index = SidIndex.of(catalogue([[0, 0], [0, 1], [1, 0], [1, 1]]))
    drawn = index.sampled(index.scores(LOG_PROBS).expand(100, -1), 1, 0.05, torch.Generator().manual_seed(3))
    assert (drawn == 1).all()


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=3, max_size=20),
    st.integers(1, 3),
    st.integers(0, 1000),
)
def test_slates_are_full_and_without_repeats(tokens: list[tuple[int, int]], k: int, seed: int) -> None:
    """And the greedy slate's scores fall: no item left out beats one that was shown."""
    index = SidIndex.of(catalogue([list(pair) for pair in tokens]))
    scores = index.scores(LOG_PROBS)
    greedy = index.best(scores, k)[0].tolist()
    drawn = index.sampled(scores, k, 1.0, torch.Generator().manual_seed(seed))[0].tolist()
    assert len(set(greedy)) == len(set(drawn)) == k
    score_of = {item: scores[0, bucket].item() for item, bucket in zip(index.items.tolist(), index.bucket.tolist(), strict=True)}
    assert [score_of[item] for item in greedy] == sorted(score_of.values(), reverse=True)[:k]


def test_no_item_with_a_sid_is_refused() -> None:
    with pytest.raises(TrainingError, match="none of 2 active items has a SID"):
        SidIndex.of(catalogue([[-1, -1], [-1, -1]]))


def test_too_few_items_for_a_slate_are_refused() -> None:
    index = SidIndex.of(catalogue([[0, 0], [0, 1]]))
    with pytest.raises(TrainingError, match="2 active items have a SID, expected at least the slate's 3"):
        index.best(index.scores(LOG_PROBS), 3)
    with pytest.raises(TrainingError, match="at least the slate's 3"):
        index.sampled(index.scores(LOG_PROBS), 3, 1.0, torch.Generator())


def test_the_newest_of_a_sid_can_come_first() -> None:
    """Items 1, 2, 3 share a SID; 1 is the most popular and 3 the newest."""
    shared = replace(
        catalogue([[0, 0]] * 3, popularity=[9, 5, 1]), first_seen=torch.tensor([0.0, 10, 20, 30], dtype=torch.float64)
    )
    for within, order in (("popularity", [1, 2, 3]), ("recency", [3, 2, 1])):
        index = SidIndex.of(shared, within)  # type: ignore[arg-type]
        assert index.best(index.scores(LOG_PROBS), 3).tolist() == [order]


def test_newest_first_without_times_is_refused() -> None:
    with pytest.raises(TrainingError, match="items have no first_seen"):
        SidIndex.of(catalogue([[0, 0]]), "recency")


def test_a_shuffled_sid_gives_every_item_its_turn_and_no_other_sid_one() -> None:
    """Items 1–3 share 0-0, the best SID; item 4 stands alone behind 1-1."""
    index, generator = SidIndex.of(catalogue([[0, 0], [0, 0], [0, 0], [1, 1]])), torch.Generator().manual_seed(0)
    firsts = [int(index.shuffled(generator).best(index.scores(LOG_PROBS), 1)) for _ in range(300)]
    assert [firsts.count(item) for item in (1, 2, 3, 4)] == pytest.approx([100, 100, 100, 0], abs=30)


def test_what_is_left_out_comes_last() -> None:
    """By score 1, 2, 3, 4. Without 1 and 3: 2, 4; and where three are wanted, the best of those left out."""
    index = SidIndex.of(catalogue([[0, 0], [0, 1], [1, 0], [1, 1]]))
    scores, seen = index.scores(LOG_PROBS), torch.tensor([[1, 3, 0]])
    assert index.best(scores, 2, seen).tolist() == [[2, 4]]
    assert index.best(scores, 3, seen).tolist() == [[2, 4, 1]]
    drawn = index.sampled(scores.expand(200, -1), 2, 1.0, torch.Generator().manual_seed(0), seen.expand(200, -1))
    assert set(drawn.flatten().tolist()) == {2, 4}


def test_a_popular_sid_of_seen_items_does_not_crowd_out_the_rest() -> None:
    """Six seen items share the best SID; the slate of two comes from behind it."""
    index = SidIndex.of(catalogue([[0, 0]] * 6 + [[1, 0], [1, 1]]))
    assert index.best(index.scores(LOG_PROBS), 2, torch.arange(1, 7)[None]).tolist() == [[7, 8]]


def test_seen_is_what_was_liked_or_shown_and_a_cap_counts_shows() -> None:
    """Liked 5; the session showed 1, refused 2, showed 1 again: 1 stands twice in the memory."""
    state = State(torch.zeros(1, 0), torch.tensor([[5, 0]]), torch.tensor([[1, -2, 1, 0]]))
    assert left_out(state, DecodingConfig(leaves_out_seen=True)).tolist() == [[5, 0, 1, 2, 1, 0]]  # type: ignore[union-attr]
    assert left_out(state, DecodingConfig(max_shows=2)).tolist() == [[1, 0, 1, 0]]  # type: ignore[union-attr]
    assert left_out(state, DecodingConfig()) is None
