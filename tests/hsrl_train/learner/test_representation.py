"""The inverse model of PG-RA: items of the same effect are drawn to one another."""

import torch

from hsrl_train.learner.representation import InverseModel, representation_loss

ALL = torch.tensor([False, True, True, True])


def test_two_items_of_equal_effect_end_nearer_to_each_other_than_to_a_third() -> None:
    """Items 1 and 2 lead from the same state to the same next one, item 3 to another; all begin near 0."""
    torch.manual_seed(0)
    items = (0.1 * torch.randn(4, 8)).requires_grad_()
    model = InverseModel(8)
    before, same, other = torch.randn(3, 8)
    states = (before.expand(3, -1), torch.stack([same, same, other]))
    slate = torch.tensor([[1], [2], [3]])
    optimizer = torch.optim.Adam([items, *model.parameters()], lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        representation_loss(model(*states), items, slate, torch.ones(3, 1).bool(), ALL).backward()
        optimizer.step()
    apart = torch.cdist(items, items)
    assert apart[1, 2] < 0.5 * apart[1, 3]
    assert apart[1, 2] < 0.5 * apart[2, 3]


def test_places_that_do_not_count_and_slates_without_any_are_left_out() -> None:
    """P is uniform over three items, so each place that counts costs log 3."""
    guess, items = torch.zeros(3, 2), torch.randn(4, 2)
    slate = torch.tensor([[1, 2], [1, 3], [2, 3]])
    counts = torch.tensor([[True, False], [True, True], [False, False]])
    assert torch.allclose(representation_loss(guess, items, slate, counts, ALL), torch.tensor(3.0).log())
    assert float(representation_loss(guess, items, slate, counts & False, ALL)) == 0


def test_states_are_held() -> None:
    before, after = torch.randn(2, 4, requires_grad=True), torch.randn(2, 4, requires_grad=True)
    model = InverseModel(4)
    model(before, after).sum().backward()
    assert before.grad is None and after.grad is None
    assert all(weight.grad is not None for weight in model.parameters())
