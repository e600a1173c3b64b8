"""Slates picked in sequence: the critic's arithmetic, what is free, and that a slate is replayed as it was picked."""

import torch

from hsrl_train.learner.slate_sequence import DIN_HIDDEN, DinCritic, LowLevel, nearest_free, seen_before

D, K = 8, 3


def test_the_critic_is_its_equation() -> None:
    """Place by place, item by item: Q = MLP[h; g; e; Σ_j (w · ReLU(A x_j + B e + C (x_j ⊙ e)) + b) x_j]."""
    torch.manual_seed(0)
    critic = DinCritic(D, (5,))
    hidden, goal, candidate, seen = torch.randn(2, K, D), torch.randn(2, D), torch.randn(2, K, D), torch.randn(2, 4 + K, D)
    is_seen = seen_before(torch.tensor([[1, 2, 3, 4], [5, 0, 0, 0]]), K)
    found = critic(hidden, goal, candidate, seen, is_seen)
    assert critic.of_seen(seen).shape[-1] == DIN_HIDDEN
    for b in range(2):
        for k in range(K):
            joined = torch.zeros(D)
            for j in is_seen[b, k].nonzero()[:, 0]:
                x, e = seen[b, j], candidate[b, k]
                unit = critic.of_seen(x) + critic.of_candidate(e) + critic.of_both(x * e)
                joined = joined + critic.weight(unit.relu()) * x
            expected = critic.value(torch.cat([hidden[b, k], goal[b], candidate[b, k], joined]))
            assert torch.allclose(found[b, k], expected[0], atol=1e-5)


def test_a_place_sees_the_history_and_the_places_before_it() -> None:
    is_seen = seen_before(torch.tensor([[7, 0]]), 3)[0].int().tolist()
    assert is_seen == [[1, 0, 0, 0, 0], [1, 0, 1, 0, 0], [1, 0, 1, 1, 0]]


def test_the_nearest_item_is_one_that_no_earlier_place_holds() -> None:
    """On a line at 1, 2, 3, 4: whoever wants the largest gets 4, behind a slate that began with it 3, behind 4 and 3 he gets 2."""
    items, added = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0]]), torch.tensor([[-torch.inf, 0.0, 0.0, 0.0, 0.0]])
    proto = torch.ones(1, 2, 1)
    assert nearest_free(proto, items, added, added > 0, torch.tensor([[4, 3, 1]])).tolist() == [[3, 2]]
    assert nearest_free(proto, items, added, added > 0, torch.tensor([[1, 2, 3]])).tolist() == [[4, 4]]
    assert nearest_free(-proto, items, added, added > 0, torch.tensor([[1, 2, 3]])).tolist() == [[2, 3]]


def test_a_replayed_slate_has_the_hidden_states_it_was_picked_with() -> None:
    """Each place of a picked slate is the free item of highest ⟨e, a_k⟩ for the replayed h_k."""
    torch.manual_seed(0)
    low, c0, goal, items = LowLevel(D), torch.randn(4, D), torch.randn(4, D), torch.randn(30, D)
    added = torch.zeros(4, 30)
    added[:, 0] = -torch.inf
    slate = low.slate(c0, goal, items, added, added > 0, K)
    proto = low.proto(low.hidden(c0, goal, items[slate])[:, :K], goal)
    assert torch.equal(slate[:, 1:], nearest_free(proto[:, 1:], items, added, added > 0, slate))
    assert torch.equal(slate[:, 0], (proto[:, 0] @ items.T + added).argmax(dim=1))
    assert (slate.sort(dim=1).values.diff(dim=1) > 0).all() and (slate > 0).all()
