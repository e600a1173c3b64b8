"""The prefix tree: worked by hand on four items, and as a law on random ones."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ContractError
from pipeline.sids.trie import Trie

# Root → 0 → {0, 2}, root → 2 → {1}; the last two rows share 2-1, the later row first by its slot.
TOKENS = np.array([[0, 2], [0, 0], [2, 1], [2, 1]], dtype=np.uint16)
SLOTS = np.array([0, 0, 1, 0], dtype=np.uint32)
TRIE = Trie.of(TOKENS, SLOTS, (3, 4))


def test_the_arrays_are_those_of_the_tree() -> None:
    assert TRIE.token.tolist() == [0, 0, 2, 0, 2, 1]
    assert TRIE.first_child.tolist() == [1, 3, 5, 6, 6, 6, 6]
    assert TRIE.level_start.tolist() == [0, 1, 3, 6]
    assert [TRIE.items(leaf).tolist() for leaf in range(TRIE.n_leaves)] == [[1], [0], [3, 2]]


def test_a_mask_allows_what_leads_to_an_item() -> None:
    assert TRIE.mask(np.zeros((2, 0), dtype=int)).tolist() == [[True, False, True]] * 2
    assert TRIE.mask(np.array([[0], [1], [2]])).tolist() == [[True, False, True, False], [False] * 4, [False, True, False, False]]


@pytest.mark.parametrize("prefix", [-1, 3, 65_536, 2**40])
def test_a_token_that_is_no_code_has_no_children(prefix: int) -> None:
    assert not TRIE.mask(np.array([[prefix]])).any()
    assert TRIE.nodes(np.array([[prefix, 0]])).tolist() == [-1]


@pytest.mark.parametrize("prefixes", [np.zeros((1, 2), dtype=int), np.zeros(2, dtype=int)])
def test_nothing_follows_the_last_level(prefixes: np.ndarray) -> None:
    with pytest.raises(ContractError, match="p < 2"):
        TRIE.mask(prefixes)


@pytest.mark.parametrize("prefixes", [np.zeros((1, 3), dtype=int), np.zeros((1, 1))])
def test_prefixes_are_whole_numbers_and_no_longer_than_a_sid(prefixes: np.ndarray) -> None:
    with pytest.raises(ContractError, match="whole numbers"):
        TRIE.nodes(prefixes)


def test_no_items_make_a_tree_that_allows_nothing() -> None:
    empty = Trie.of(TOKENS[:0], SLOTS[:0], (3, 4))
    assert empty.n_leaves == 0 and not empty.mask(np.zeros((1, 0), dtype=int)).any()
    assert empty.best(np.zeros(7, dtype=np.float32), 3).leaves.tolist() == []


def test_the_best_leaf_is_found_below_a_prefix_that_looked_worst() -> None:
    """A beam of one follows token 0 (1 > 0) to 1 + 0; the best leaf is 2-1 with 0 + 5, and the search must see it."""
    scores = np.array([1, 0, 0, 0, 5, 0, 0], dtype=np.float32)
    found = TRIE.best(scores, 1)
    assert (found.leaves.tolist(), found.scores.tolist()) == ([2], [5.0])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), wanted=st.integers(1, 80))
def test_masks_and_best_leaves_are_those_of_looking_at_every_item(seed: int, n: int, wanted: int) -> None:
    random, vocabulary = np.random.default_rng(seed), (3, 5, 4)
    tokens = np.stack([random.integers(0, codes, n) for codes in vocabulary], axis=1).astype(np.uint16)
    trie = Trie.of(tokens, np.zeros(n, dtype=np.uint32), vocabulary)
    for length in range(3):
        prefix = random.integers(0, 4, (1, length))
        follow = {int(row[length]) for row in tokens if row[:length].tolist() == prefix[0].tolist()}
        assert set(np.flatnonzero(trie.mask(prefix)[0]).tolist()) == follow
    scores = random.normal(size=12).astype(np.float32)
    sids = np.unique(tokens, axis=0).astype(int)
    every = scores[sids[:, 0]] + scores[3 + sids[:, 1]] + scores[8 + sids[:, 2]]
    best = trie.best(scores, wanted)
    assert best.scores.tolist() == sorted(every.tolist(), reverse=True)[:wanted]
    assert every[best.leaves].tolist() == best.scores.tolist()
    assert (tokens[trie.items(int(best.leaves[0]))] == sids[best.leaves[0]]).all()


def test_a_small_decoder_only_ever_emits_existing_items(tmp_path: Path) -> None:
    """A decoder of random weights draws token after token under the mask, in the tokens of a real tokenizer library."""
    tokenizers = pytest.importorskip("tokenizers", reason="needs the library tokenizers, of the extra dev")
    from pipeline.sids.mapping import special_tokens, token_texts

    random, vocabulary = np.random.default_rng(3), (8, 8, 8)
    tokens = random.integers(0, 8, (40, 3)).astype(np.uint16)
    trie = Trie.of(tokens, np.zeros(40, dtype=np.uint32), vocabulary)
    words = special_tokens(vocabulary)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(words)
    texts = token_texts(tokens, vocabulary)
    for text, row in zip(texts, tokens.tolist(), strict=True):
        assert tokenizer.encode(text).tokens == [f"<{letter}_{code}>" for letter, code in zip("abc", row, strict=True)]
    first_id = tokenizer.token_to_id(words[0])
    assert [tokenizer.token_to_id(word) - first_id for word in words] == list(range(24))  # the offset ids
    embedding, head = random.normal(size=(24, 6)), random.normal(size=(6, 24))
    prefixes, states = np.zeros((64, 0), dtype=int), random.normal(size=(64, 6))
    for level in range(3):
        logits = (states @ head)[:, 8 * level : 8 * level + 8]
        drawn = np.where(trie.mask(prefixes), logits + random.gumbel(size=logits.shape), -np.inf).argmax(axis=1)
        prefixes = np.concatenate([prefixes, drawn[:, None]], axis=1)
        states = states + embedding[8 * level + drawn]
    emitted = tokenizer.decode((prefixes[0] + [0, 8, 16] + first_id).tolist(), skip_special_tokens=False).replace(" ", "")
    assert emitted in texts
    assert set(token_texts(prefixes.astype(np.uint16), vocabulary)) <= set(texts)
