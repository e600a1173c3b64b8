"""The hierarchical policy network on two levels of two tokens."""

import math

import pytest
import torch

from hsrl_train.learner.hpn import HierarchicalPolicyNetwork, summed_over_levels, token_columns


def two_by_two(hierarchy: str = "residual") -> HierarchicalPolicyNetwork:
    """Heads that return the context itself as logits; level 1's codes are (3, 0) and (0, 3)."""
    network = HierarchicalPolicyNetwork(2, (2, 2), hierarchy)  # type: ignore[arg-type]
    with torch.no_grad():
        for head in network.heads:
            head.weight.copy_(torch.eye(2))  # type: ignore[operator]
            head.bias.zero_()  # type: ignore[operator]
        network.codes[0].copy_(3 * torch.eye(2))
    return network.requires_grad_(False)


def test_the_next_context_is_what_the_expected_token_left() -> None:
    """c(0) = (log 3, 0): π = (¾, ¼), e = (9/4, 3/4), c − e = (−1.15, −0.75), which LayerNorm brings to (−1, 1)."""
    policy = two_by_two()(torch.tensor([[math.log(3), 0.0]]))
    assert policy.log_probs[0, :2].exp().tolist() == pytest.approx([0.75, 0.25])
    assert policy.contexts[0, 0].tolist() == pytest.approx([math.log(3), 0.0])
    assert policy.contexts[0, 1].tolist() == pytest.approx([-1.0, 1.0], abs=1e-3)
    assert policy.logits[0, 2:].tolist() == pytest.approx([-1.0, 1.0], abs=1e-3)


def test_without_the_residual_the_context_is_the_expected_token() -> None:
    """e = (9/4, 3/4), which LayerNorm brings to (1, −1)."""
    policy = two_by_two("no_residual")(torch.tensor([[math.log(3), 0.0]]))
    assert policy.contexts[0, 1].tolist() == pytest.approx([1.0, -1.0], abs=1e-3)


def test_flat_heads_all_read_the_state() -> None:
    policy = two_by_two("flat")(torch.tensor([[math.log(3), 0.0]]))
    assert policy.logits[0].tolist() == pytest.approx([math.log(3), 0.0, math.log(3), 0.0])


def test_an_item_is_as_probable_as_the_product_of_its_tokens() -> None:
    """π(z1 = 1) π(z2 = 0) = ½ · 0.1; over all four token pairs the products sum to 1 (14)."""
    log_probs = torch.tensor([[0.5, 0.5, 0.1, 0.9]]).log()
    pairs = torch.tensor([[[1, 0], [0, 0], [0, 1], [1, 1]]])
    scores = summed_over_levels(log_probs, token_columns(pairs, (2, 2))).exp()
    assert scores[0, 0].item() == pytest.approx(0.05)
    assert scores.sum().item() == pytest.approx(1.0)


def test_token_columns_stand_side_by_side_for_unequal_levels() -> None:
    """V = (3, 2, 4): level 2 begins at column 3, level 3 at column 5."""
    assert token_columns(torch.tensor([[2, 1, 3]]), (3, 2, 4)).tolist() == [[2, 4, 8]]


def test_a_sampled_token_hands_on_its_own_embedding() -> None:
    """π = (¾, ¼) with codes (3, 0) and (0, 3): of 4,000 states about 3,000 leave c − (3, 0) = (−1.9, 0), which LayerNorm brings to (−1, 1);
    the others leave (1.1, −3), which becomes (1, −1)."""
    network = two_by_two()
    network.embedding = "sampled"
    c0 = torch.tensor([[math.log(3), 0.0]]).expand(4000, 2)
    contexts = network(c0, torch.Generator().manual_seed(0)).contexts[:, 1]
    assert contexts.abs().flatten().tolist() == pytest.approx([1.0] * 8000, abs=1e-3)
    assert (contexts[:, 0] < 0).float().mean().item() == pytest.approx(0.75, abs=0.03)


def test_without_a_generator_sampled_tokens_give_way_to_the_expected_one() -> None:
    network, c0 = two_by_two(), torch.tensor([[math.log(3), 0.0]])
    before = network(c0)
    network.embedding = "sampled"
    assert torch.equal(network(c0).contexts, before.contexts)
