"""Semantic IDs as text and as numbers."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sids.names import fixed_hash, key_space_fits, name_tokens, sid_keys


def test_a_semantic_id_is_written_as_text_and_as_one_number() -> None:
    """(12 · 256 + 203) · 256 + 7 = 838,407."""
    named = name_tokens(np.array([[12, 203, 7]], dtype=np.uint16), (256, 256, 256))
    assert named.row(0) == ([12, 203, 7], "12-203-7", 838_407)


def test_keys_of_mixed_vocabularies_count_every_id_once_and_in_order() -> None:
    ids = np.array(list(itertools.product(range(3), range(2), range(5))), dtype=np.uint16)
    assert sid_keys(ids, (3, 2, 5)).tolist() == list(range(30))


@given(st.lists(st.integers(0, 2**16 - 1), min_size=4, max_size=4))
def test_keys_reach_the_last_of_64_bits_exactly(codes: list[int]) -> None:
    """Python's integers as the reference, at V = 2^16 and L = 4, where the keys fill 64 bits."""
    wanted = 0
    for code in codes:
        wanted = wanted * 2**16 + code
    assert int(sid_keys(np.array([codes], dtype=np.uint16), (2**16,) * 4)[0]) == wanted


def test_the_key_space_ends_at_64_bits() -> None:
    assert key_space_fits((2**16,) * 4)
    assert not key_space_fits((*(2**16,) * 4, 2))


def test_the_fixed_hash_never_changes() -> None:
    """SplitMix64's published first output for the seed 0 is 0xE220A8397B1DCDAF."""
    hashes = fixed_hash(np.array([0, 1, -1], dtype=np.int64))
    assert hashes.tolist() == [0xE220A8397B1DCDAF, 0x910A2DEC89025CC1, 0xE4D971771B652C20]


def test_no_items_have_no_names() -> None:
    assert name_tokens(np.zeros((0, 2), dtype=np.uint16), (4, 4)).shape == (0, 3)
