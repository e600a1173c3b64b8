"""The state encoder: what may and what must not change a state."""

import pytest
import torch

from hsrl_train.data.world import State
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.sections import NetworkConfig

VECTORS = torch.cat([torch.zeros(1, 3), torch.randn(5, 3, generator=torch.Generator().manual_seed(5))])


@pytest.fixture
def encoder() -> StateEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return StateEncoder(3, 2, 6, NetworkConfig(width=8, n_blocks=2, n_heads=2)).requires_grad_(False)


def state(*histories: list[int], profile: tuple[float, float] = (1.0, 0.0), width: int = 6) -> State:
    rows = torch.tensor([history + [0] * (width - len(history)) for history in histories])
    return State(torch.tensor([profile] * len(histories)), rows)


def test_padding_and_companions_change_nothing(encoder: StateEncoder) -> None:
    """[1, 2] alone, padded further, and beside a longer history is the same state."""
    alone = encoder(state([1, 2], width=2), VECTORS)
    assert torch.allclose(encoder(state([1, 2], width=6), VECTORS), alone, atol=1e-6)
    assert torch.allclose(encoder(state([1, 2], [3, 4, 5, 1, 2, 3]), VECTORS)[:1], alone, atol=1e-6)


def test_the_padding_row_is_never_attended(encoder: StateEncoder) -> None:
    poisoned = VECTORS.clone()
    poisoned[0] = 1e6
    assert torch.equal(encoder(state([1, 2]), poisoned), encoder(state([1, 2]), VECTORS))


def test_an_empty_history_is_a_state_told_by_the_profile(encoder: StateEncoder) -> None:
    empty = encoder(state([]), VECTORS)
    assert empty.isfinite().all()
    assert not torch.allclose(empty, encoder(state([], profile=(0.0, 1.0)), VECTORS))


def test_order_and_every_item_count(encoder: StateEncoder) -> None:
    first = encoder(state([1, 2, 3]), VECTORS)
    assert not torch.allclose(first, encoder(state([2, 1, 3]), VECTORS))
    assert not torch.allclose(first, encoder(state([4, 2, 3]), VECTORS))


def test_the_last_block_on_one_query_equals_the_whole_block(encoder: StateEncoder) -> None:
    """Only the newest position is read, so computing it alone must give what the full causal block gives there."""
    x = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(1))
    whole = encoder.last_block(x)[:, -1:]
    assert torch.allclose(encoder.last_block.last(x, x[:, -1:], torch.ones(2, 4, dtype=torch.bool)), whole, atol=1e-6)
