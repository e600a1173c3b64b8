"""The martingale audit: Bayes passes, planted drifts are found at their size, and what is refused."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from hsrl_train.data.world import Catalogue, State, remembered
from hsrl_train.simulator.martingale import Audit, audit_martingale, drift
from pipeline.errors import TrainingError

N_ITEMS = 60
AUDIT = Audit(k=2, n_slates=5, n_draws=8, n_asked=20, n_candidates=30)
CATALOGUE = Catalogue(
    np.arange(1, N_ITEMS + 1),
    torch.randn(N_ITEMS + 1, 3, generator=torch.Generator().manual_seed(0)),
    torch.full((N_ITEMS + 1, 0), -1),
    (),
    torch.arange(N_ITEMS + 1) > 0,
    torch.arange(N_ITEMS + 1).float(),
)
# P(liked | kind) of users of two kinds, .1 … .9.
TABLE = 0.1 + 0.8 * torch.rand(2, N_ITEMS + 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def states(b: int, shown: int = 4) -> State:
    """b users who were shown ``shown`` items each, and answered by coin."""
    random = torch.Generator().manual_seed(2)
    items = torch.rand(b, N_ITEMS, generator=random).argsort(dim=1)[:, :shown] + 1
    signs = torch.randint(0, 2, items.shape, generator=random) * 2 - 1
    recent = torch.nn.functional.pad(items * signs, (0, 20 - shown))
    return State(torch.zeros(b, 0), torch.zeros(b, 20, dtype=torch.int64), recent)


@dataclass(frozen=True)
class Bayes:
    """Half of the users are of each kind; what is foretold follows by Bayes' rule. A session's user has one kind, or is asked live."""

    is_hidden: bool

    def posterior(self, state: State) -> Tensor:
        """(b, 2) probability of each kind."""
        recent = remembered(state)
        p = TABLE[:, recent.abs()]
        likelihood = torch.where(recent > 0, p, torch.where(recent < 0, 1 - p, 1.0))
        joint = likelihood.prod(dim=2).T
        return joint / joint.sum(dim=1, keepdim=True)

    def tastes(self, state: State, generator: torch.Generator) -> Tensor:
        if not self.is_hidden:
            return torch.zeros(len(state.history), 0)
        kind = torch.multinomial(self.posterior(state), 1, generator=generator)[:, 0]
        return torch.nn.functional.one_hot(kind, 2).double()

    def logits(self, state: State, slate: Tensor, tastes: Tensor | None = None) -> Tensor:
        return self.all_logits(state, tastes).gather(1, slate)

    def all_logits(self, state: State, tastes: Tensor | None = None) -> Tensor:
        kinds = self.posterior(state) if tastes is None or not tastes.shape[1] else tastes
        return torch.logit(kinds @ TABLE).float().masked_fill(~CATALOGUE.is_active, -torch.inf)


@dataclass(frozen=True)
class Planted:
    """Users whose probability of every item follows what they were shown: (b, m) signed items → (b, n + 1) or (b, 1)."""

    probability: Callable[[Tensor], Tensor]

    def tastes(self, state: State, generator: torch.Generator) -> Tensor:
        return torch.zeros(len(state.history), 0)

    def logits(self, state: State, slate: Tensor, tastes: Tensor | None = None) -> Tensor:
        return self.all_logits(state).gather(1, slate)

    def all_logits(self, state: State, tastes: Tensor | None = None) -> Tensor:
        p = self.probability(remembered(state)).expand(-1, N_ITEMS + 1)
        return torch.logit(p).masked_fill(~CATALOGUE.is_active, -torch.inf)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_bayes_passes_where_the_kind_is_drawn_for_a_session() -> None:
    """The answers of a user of one kind do not move at all; what is foretold of him moves by .1 and more, in expectation by nothing."""
    found = audit_martingale(Bayes(is_hidden=True), CATALOGUE, states(3_000), seeded(), AUDIT)
    assert (found.answers.rms, found.answers.rms_high, found.answers.mean) == (0, 0, 0)
    for part in (found.forecasts_once, found.forecasts):
        assert part.rms_low == 0
        assert part.rms_high < 0.015
        assert part.mean_low < 0 < part.mean_high
    assert found.is_steady and found.is_coherent


def test_bayes_passes_where_each_answer_is_drawn_from_what_is_foretold() -> None:
    """Slates of one item, so that no two answers are drawn apart which one kind should bind together."""
    audit = Audit(k=1, n_slates=5, n_draws=8, n_asked=20, n_candidates=30)
    found = audit_martingale(Bayes(is_hidden=False), CATALOGUE, states(600), seeded(), audit)
    assert found.answers == found.forecasts != found.answers_once
    assert found.answers.rms_low == 0
    assert found.is_steady and found.is_coherent


def test_a_taste_that_grows_by_showing_fails_by_its_growth() -> None:
    """p = .3 + .01 · shown: a slate of two adds .02, five add .1, whatever was answered."""
    grown = Planted(lambda recent: 0.3 + 0.01 * (recent != 0).sum(dim=1, keepdim=True))
    found = audit_martingale(grown, CATALOGUE, states(30), seeded(), AUDIT)
    assert (found.answers_once.rms, found.answers_once.mean) == pytest.approx((0.02, 0.02), abs=1e-6)
    assert (found.answers.rms, found.answers.rms_low, found.answers.mean_high) == pytest.approx((0.1, 0.1, 0.1), abs=1e-6)
    assert not found.is_steady and not found.is_coherent


def test_likes_that_make_likes_fail_by_their_growth() -> None:
    """p = .3 + .02 · liked, none liked before: a slate multiplies the expected p by 1 + 2 · .02, so .012 after one, .065 after five."""
    liked = Planted(lambda recent: 0.3 + 0.02 * (recent > 0).sum(dim=1, keepdim=True))
    found = audit_martingale(liked, CATALOGUE, states(600, shown=0), seeded(), AUDIT)
    assert found.answers_once.mean == pytest.approx(0.3 * 0.04, abs=0.002)
    assert found.answers.mean == pytest.approx(0.3 * (1.04**5 - 1), abs=0.005)
    assert found.answers.rms_low < 0.065 < found.answers.rms_high + 0.005


def test_one_slate_is_once_and_all() -> None:
    audit = Audit(k=2, n_slates=1, n_draws=2, n_asked=20, n_candidates=30)
    found = audit_martingale(Bayes(is_hidden=True), CATALOGUE, states(9), seeded(), audit)
    assert (found.answers, found.forecasts) == (found.answers_once, found.forecasts_once)


def test_tastes_that_are_only_moved_about_fail_too() -> None:
    """Showing takes .01 a piece from the even items and gives it to the odd ones: the mean is about 0, the root mean square is .1."""
    sign = torch.where(torch.arange(N_ITEMS + 1) % 2 > 0, 0.01, -0.01)
    moved = Planted(lambda recent: 0.5 + (recent != 0).sum(dim=1, keepdim=True) * sign)
    found = audit_martingale(moved, CATALOGUE, states(300), seeded(), AUDIT)
    assert found.answers.rms == pytest.approx(0.1, abs=1e-6)
    assert not found.is_steady


def test_noise_of_the_draws_is_not_taken_for_drift() -> None:
    """Moves of ± .5 by coin, of 2,000 users in 4 draws: the plain square of the mean would be .25 / 4, a root of .25."""
    coins = torch.randint(0, 2, (2_000, 4, 10), generator=seeded()) - 0.5
    found = drift(coins, seeded())
    assert found.rms < 0.05
    assert drift(coins + 0.3, seeded()).rms == pytest.approx(0.3, abs=0.02)
    assert drift(coins + 0.3, seeded()).mean == pytest.approx(0.3, abs=0.02)


def test_the_same_seed_finds_the_same() -> None:
    first, again = (audit_martingale(Bayes(is_hidden=True), CATALOGUE, states(30), seeded(), AUDIT) for _ in range(2))
    assert first == again


def test_too_few_items_are_refused() -> None:
    """60 items less the 40 seen leave 20; asked 20 and shown 5 × 2."""
    with pytest.raises(TrainingError, match="a user has 20 items left to be shown, expected 30"):
        audit_martingale(Bayes(is_hidden=True), CATALOGUE, states(3, shown=20)._replace(history=unseen()), seeded(), AUDIT)


def unseen() -> Tensor:
    """Twenty items that ``states(3, shown=20)`` has not been shown."""
    shown = remembered(states(3, shown=20)).abs()
    return torch.stack([torch.tensor([item for item in range(1, N_ITEMS + 1) if item not in row][:20]) for row in shown.tolist()])
