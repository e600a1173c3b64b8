"""Next-item retrieval: a world whose next item is known, places worked by hand, and nothing of the test in what is learned from."""

import itertools
import os
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import benchmarks.retrieval.runs as runs_of_the_benchmark
from benchmarks.retrieval import learning
from benchmarks.retrieval.codes import ROWS, Row, further_token, tokens_of
from benchmarks.retrieval.learning import Learned, Trial, batches, learn
from benchmarks.retrieval.log import Sequences, amazon_beauty, sequences_of
from benchmarks.retrieval.network import Codes, Decoder, DecoderConfig, sampled_loss
from benchmarks.retrieval.ranking import Ranks, best_leaves, ndcg, next_item_ranks, recall
from benchmarks.retrieval.report import page
from benchmarks.retrieval.runs import Result, Run, carried_out, chosen, done
from benchmarks.tokenizer.comparators import TokenSpace
from pipeline.contracts import ITEMS

SMALL = DecoderConfig(width=16, n_heads=1, max_history=8, dropout=0.0)


def catalogue(n: int) -> pl.DataFrame:
    """Items 1 … n, each in a category with seven others."""
    rows = [
        {"item_id": item, "raw_id": str(item), "categories": [f"c{item // 8}"], "is_active": True} for item in range(1, n + 1)
    ]
    return pl.concat([ITEMS.empty(), pl.DataFrame(rows)], how="diagonal")


def log_of(sequences: list[list[int]], n_items: int) -> Sequences:
    """A log of these item ids."""
    rows = [(user, item, order) for user, items in enumerate(sequences) for order, item in enumerate(items)]
    events = pl.DataFrame(rows, schema={"user_id": pl.Int64, "item_id": pl.Int64, "order": pl.Int64}, orient="row")
    return sequences_of(catalogue(n_items), events)


def rounds(n_items: int = 16, n_users: int = 120, step: int = 5) -> Sequences:
    """Whoever had item i has item i + step next, round and round; four to nine items a user, none twice."""
    draw = np.random.default_rng(0)
    starts, lengths = draw.integers(n_items, size=n_users), draw.integers(4, 10, size=n_users)
    rows = zip(starts.tolist(), lengths.tolist(), strict=True)
    return log_of([[(start + step * place) % n_items + 1 for place in range(length)] for start, length in rows], n_items)


def digits(n_items: int, base: int) -> np.ndarray:
    """(n, 2) an item's number in two digits."""
    return np.column_stack(np.divmod(np.arange(n_items), base)).astype(np.uint16)


class Fixed(Decoder):
    """A decoder whose log-probabilities of the Semantic IDs are given, whatever the history."""

    def __init__(self, codes: Codes, scores: list[float]) -> None:
        super().__init__(codes, SMALL)
        self.scores = torch.tensor([scores])

    def log_probs(self, states: torch.Tensor, prefixes: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(states), -1)


def test_the_last_two_items_of_a_user_are_not_learned_from() -> None:
    log = log_of([[1, 2, 3, 4], [2, 4, 1]], 4)
    assert (log.targets(2).tolist(), log.targets(1).tolist()) == ([3, 4], [4, 1])
    assert log.of(0, 2).tolist() == [1, 2]
    assert log.positives().rows() == [(0, 1), (0, 2), (1, 2)]
    assert log.popularity().tolist() == [1, 2, 0, 0]


def test_other_test_items_make_no_other_codes() -> None:
    """Vectors, k-means and turns inside a Semantic ID hang on what is learned from alone."""
    before = rounds(n_items=64)
    swapped = before.numbers.copy()
    last = before.start[1:] - 1
    swapped[last], swapped[last - 1] = before.numbers[last - 1], 1
    after = replace(before, numbers=swapped)
    row = Row("small", "rq-kmeans", space=TokenSpace(2, 4))
    assert np.array_equal(tokens_of(row, before, 0), tokens_of(row, after, 0))
    assert np.array_equal(before.popularity(), after.popularity())


@pytest.mark.parametrize(("sequences", "error"), [([[1, 2]], "1 of 1 users have fewer than 3"), ([[1, 2, 9]], "1 of 3 events")])
def test_a_log_that_cannot_be_split_is_refused(sequences: list[list[int]], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        log_of(sequences, 4)


def test_every_user_comes_once_in_a_pass() -> None:
    """Seven users with something to learn from; the eighth has one item left."""
    log = log_of([*([1, 2, 3, item % 4 + 1, 2] for item in range(7)), [1, 2, 3]], 4)
    passing = batches(log, 8, np.random.default_rng(0))
    seen = next(passing)
    assert sorted(seen[:, 2].tolist()) == [3] * 7
    assert next(passing).shape == (7, 3)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes 2 ms, so that 1 second buys 500 whatever else the machine does."""
    ticks = itertools.count()
    monkeypatch.setattr(learning, "time", SimpleNamespace(process_time=lambda: 0.002 * next(ticks)))


@pytest.mark.usefixtures("steps")
def test_what_follows_the_last_item_is_learned() -> None:
    """Codes that tell all items apart: the next item is a function of the last, and is found."""
    log = rounds()
    codes = Codes(digits(16, 4), (4, 4), log.popularity())
    learned = learn(codes, log, Trial(0.02, 1.0, seed=0, n_checks=2, network=SMALL), np.arange(log.n_users))
    ranks = next_item_ranks(learned.decoder, log, 1, np.arange(log.n_users))
    assert recall(ranks.whole, 1).mean() == recall(ranks.popularity, 1).mean() == 1.0
    assert len(learned.validation) == 2 and learned.n_steps == 500


@pytest.mark.usefixtures("steps")
def test_what_codes_do_not_tell_apart_is_lost() -> None:
    """Two items a Semantic ID, all equally popular: the Semantic ID is found at once, the item never before its twin."""
    log = rounds(n_items=32, step=6)
    codes = Codes(digits(32, 8) // np.array([1, 2], dtype=np.uint16), (4, 4), np.ones(32, dtype=np.int64))
    learned = learn(codes, log, Trial(0.02, 1.0, seed=0, n_checks=1, network=SMALL), np.arange(log.n_users))
    ranks = next_item_ranks(learned.decoder, log, 1, np.arange(log.n_users))
    assert set(ranks.sid.tolist()) == {1}
    assert set(ranks.whole.tolist()) == {2}


def ranked(scores: list[float], popularity: list[int], had: list[int], target: int, tokens: list[int]) -> Ranks:
    """Of the target among items with one token each."""
    log = log_of([[*had, target]], len(tokens))
    decoder = Fixed(Codes(np.array(tokens, dtype=np.uint16)[:, None], (len(scores),), np.array(popularity)), scores).eval()
    return next_item_ranks(decoder, log, 1, np.array([0]))


def places(*arguments: Any) -> tuple[int, int]:
    """Of the item and of its Semantic ID."""
    found = ranked(*arguments)
    return int(found.whole[0]), int(found.sid[0])


def test_places_are_counted_by_hand() -> None:
    """Items 1 … 6 have the tokens 0 0 0 1 1 2; token 0 scores best, then 1, then 2. Items that the user had are not counted.

    Item 3: token 0, of which item 1 is more popular and item 2 as popular (a tie counts against it): third, but first of the SIDs.
    """
    tokens, popularity, scores = [0, 0, 0, 1, 1, 2], [9, 5, 5, 7, 7, 1], [-0.1, -1.0, -2.0]
    assert places(scores, popularity, [5, 6], 3, tokens) == (3, 1)
    assert places(scores, popularity, [5, 1], 3, tokens) == (2, 1)
    assert places(scores, popularity, [1, 6], 4, tokens) == (4, 2)
    assert places(scores, popularity, [1, 2], 6, tokens) == (4, 3)
    # token 0 has nothing left to show: its Semantic ID is not opened
    assert places(scores, popularity, [1, 2, 3], 6, tokens) == (3, 2)


def test_a_semantic_id_that_ties_stands_before_the_target() -> None:
    assert places([-1.0, -1.0, -1.0], [1, 1, 1, 1], [1, 2], 3, [0, 0, 1, 2]) == (2, 2)
    assert places([-1.0, -1.0, -2.0], [1, 1, 1, 1], [1, 4], 2, [0, 0, 1, 2]) == (2, 2)


def test_a_divided_probability_is_counted_by_hand() -> None:
    """Items 1 … 4 share token 0 (p = .4), 5 has token 1 (.35), 6 token 2 (.25); popularity + 1 is 10, 6, 6, 2, 1, 1.

    Divided, items 1 … 4 have .167, .1, .1, .033: the order is 5, 6, 1, 2 and 3 (a tie), 4.
    """
    world = (np.log([0.4, 0.35, 0.25]).tolist(), [9, 5, 5, 1, 0, 0])
    tokens = [0, 0, 0, 0, 1, 2]
    found = [
        int(ranked(*world, had, target, tokens).popularity[0])
        for had, target in (([4, 3], 5), ([4, 3], 1), ([4, 1], 3), ([5, 2], 4))
    ]
    assert found == [1, 3, 4, 4]


def test_gain_falls_with_the_place() -> None:
    """1 / log₂(1 + place); a place of 0 was not reached."""
    assert ndcg(np.array([1, 3, 10, 11, 0]), 10).tolist() == pytest.approx([1.0, 0.5, 1 / np.log2(11), 0.0, 0.0])
    assert recall(np.array([1, 3, 10, 11, 0]), 10).tolist() == [1, 1, 1, 0, 0]


def test_a_wide_beam_is_looking_at_every_semantic_id() -> None:
    """Log-probabilities of all 12 Semantic IDs that exist add up to 1, and the beam's first four are the four best of them."""
    torch.manual_seed(0)
    codes = Codes(digits(16, 4)[[0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 14, 15]], (4, 4), np.ones(12, dtype=np.int64))
    decoder = Decoder(codes, SMALL).eval()
    with torch.no_grad():
        states = 3.0 * torch.randn(5, 16)
        leaves, scores = best_leaves(decoder, states, beam=16)
        narrow, _ = best_leaves(decoder, states, beam=12)
    assert np.isfinite(scores).sum(axis=1).tolist() == [12] * 5
    assert np.allclose(np.exp(scores).sum(axis=1), 1.0, atol=1e-5)
    assert np.array_equal(narrow[:, :4], leaves[:, :4])


def test_the_loss_is_that_of_what_is_decoded() -> None:
    """−log p of an item's Semantic ID by the loss equals the beam's, mask and all."""
    torch.manual_seed(0)
    codes = Codes(digits(16, 4)[:11], (4, 4), np.ones(11, dtype=np.int64))
    decoder = Decoder(codes, SMALL).eval()
    with torch.no_grad():
        states = torch.randn(1, 16)
        leaves, scores = best_leaves(decoder, states, beam=16)
        losses = [float(decoder.loss(states, torch.tensor([item]))) for item in range(1, 12)]
    by_leaf = {leaf: score for leaf, score in zip(leaves[0].tolist(), scores[0].tolist(), strict=True) if np.isfinite(score)}
    assert np.allclose(losses, [-by_leaf[leaf] for leaf in codes.leaf.tolist()], atol=1e-5)


def test_the_sampled_loss_estimates_the_whole() -> None:
    torch.manual_seed(0)
    query, table = torch.randn(3, 8), torch.randn(5_000, 8) * 0.3
    wanted = torch.tensor([4, 1_000, 4_999])
    whole = torch.nn.functional.cross_entropy(query @ table.T, wanted)
    drawn = torch.stack([sampled_loss(query, wanted, table) for _ in range(30)]).mean()
    assert float(drawn) == pytest.approx(float(whole), abs=0.02)


def test_a_further_token_tells_items_of_a_semantic_id_apart() -> None:
    assert further_token(np.array([[1, 2], [0, 0], [1, 2], [1, 2], [0, 1]])).tolist() == [0, 0, 1, 2, 0]


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = rounds(n_users=20)
    run = Run(Row("numbers", "numbers"), Trial(0.01, 0.05, 0, n_checks=1, network=SMALL))
    assert done(run, tmp_path) is None
    first = carried_out(run, log, tmp_path)

    def refused(*arguments: object) -> Learned:
        raise AssertionError("learned again")

    monkeypatch.setattr(runs_of_the_benchmark, "learn", refused)
    again = carried_out(run, log, tmp_path)
    assert again.figures == first.figures
    assert np.array_equal(again.ranks.whole, first.ranks.whole)
    with pytest.raises(AssertionError, match="learned again"):
        carried_out(replace(run, trial=replace(run.trial, seed=1)), log, tmp_path)


def test_the_page_compares_user_by_user() -> None:
    """Four users; the second row is first for one user more: 0.25 more of everything, and rows of fewer seeds set the seeds."""

    def result(row: str, seed: int, item: list[int]) -> Result:
        figures = {"row": row, "seed": seed, "learning_rate": 0.003, "validation": [0.1], "n_epochs": 2.0, "n_weights": 10}
        figures |= {"cpu_seconds": {"codes": 1.0}, "n_sids": 4, "shared": 0.0, "largest": 1}
        return Result(figures, Ranks(*(np.array(item) for _ in fields(Ranks))))

    text = page(
        [result(ROWS[0].name, 1, [1, 0, 0, 0]), result(ROWS[-1].name, 1, [1, 1, 0, 0]), result(ROWS[0].name, 2, [1] * 4)], 1.0
    )
    lines = text.splitlines()
    first, second = (next(line for line in lines if line.startswith(f"| {row.name} | 0")) for row in (ROWS[0], ROWS[-1]))
    assert first.startswith(f"| {ROWS[0].name} | 0.2500 [")
    assert second.startswith(f"| {ROWS[-1].name} | 0.5000 [")
    assert "| +0.2500 [" in second


def test_the_learning_rate_is_chosen_by_what_validates() -> None:
    """The first rate tests better, the second validates better; the second seed of the first is not shown either."""

    def result(rate: float, seed: int, validation: list[float], place: int) -> Result:
        ranks = Ranks(*(np.array([place]) for _ in fields(Ranks)))
        return Result({"row": "r", "seed": seed, "learning_rate": rate, "validation": validation}, ranks)

    found = [result(0.1, 1, [0.3, 0.2], 1), result(0.2, 1, [0.1, 0.4], 9), result(0.1, 2, [0.9], 1), result(0.2, 2, [0.1], 9)]
    assert [each.figures["learning_rate"] for each in chosen(found)] == [0.2, 0.2]
    assert chosen(found[2:]) == []


@pytest.mark.real
def test_amazon_beauty_by_hand() -> None:
    shared = Path(os.environ.get("HSRL_SHARED", "../shared"))
    if not (shared / "data" / "amazon-beauty").is_dir():
        pytest.skip(f"no amazon-beauty under {shared}; set HSRL_SHARED")
    log = amazon_beauty(shared)
    assert (log.n_users, log.n_items, len(log.numbers)) == (22_363, 12_101, 198_502)
    assert log.positives().height == 198_502 - 2 * 22_363
    assert (log.popularity() == 0).sum() == 33
    assert log.of(0, 0).tolist()[-1] == log.targets(1)[0]
