"""The martingale audit: being shown something must tell of a user, not change him (docs/simulators.md).

Of a user held fixed, what is foretold of other items moves by evidence alone, and evidence moves a forecast up as much as down:

    E_y[p_j(s ⊕ (A, y))] = p_j(s)   for j not in A, y the model's own answers

by the law of total expectation. A model that drifts from this makes taste by showing, and a policy learns to make it: the gain is in
no user. The drift is measured after one slate and after several in a row, as a session runs: its tastes drawn at the start, its slates
chosen from the state of the moment. The items asked about are set apart beforehand and never shown, or they would be chosen by answers.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (the name everyone knows it by)
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Catalogue, ResponseModel, State, remembered
from hsrl_train.simulator.environment import answered
from pipeline.errors import TrainingError

# What real like-rates, given items and the user's own rate, were seen to move by showing is .027 ± .058 (docs/learner.md): not to be
# told from nothing. A judge whose forecasts move by more than that of themselves pays for what no user was seen to do.
BOUND = 0.03
N_RESAMPLES = 1_000
# Half of the items asked about are drawn from this often as many of the model's best.
BEST_OF = 5
STATES_AT_ONCE = 256


@dataclass(frozen=True)
class Audit:
    """How much is asked.

    Attributes:
        k: items in a slate.
        n_slates: shown in a row.
        n_draws: sessions of each user, at least 2: half of them against the other half.
        n_asked: items set apart to be asked about: half of them from the model's own best, half from anywhere.
        n_candidates: items that slates are chosen from, those liked more often more likely among them.
        bound: root mean square drift of a probability above which a model fails.
    """

    k: int = 10
    n_slates: int = 5
    n_draws: int = 8
    n_asked: int = 40
    n_candidates: int = 400
    bound: float = BOUND


@dataclass(frozen=True)
class Drift:
    """How far forecasts move in expectation, in probability.

    Attributes:
        rms: root mean square over users, slates and items; free of the noise of the draws.
        rms_low: 2.5 % point of its bootstrap over users.
        rms_high: 97.5 % point.
        mean: the signed mean; above 0 = showing makes taste.
        mean_low: 2.5 % point of its bootstrap over users.
        mean_high: 97.5 % point.
    """

    rms: float
    rms_low: float
    rms_high: float
    mean: float
    mean_low: float
    mean_high: float


@dataclass(frozen=True)
class Martingale:
    """What the audit found, after one slate and after all.

    Attributes:
        answers_once: of the probabilities that answer in a session, after a slate; exactly 0 for a taste kept all session.
        answers: the same after all slates.
        forecasts_once: of what is foretold from the state alone, tastes unknown; the same figures where there are none.
        forecasts: the same after all slates.
        bound: see :class:`Audit`.
    """

    answers_once: Drift
    answers: Drift
    forecasts_once: Drift
    forecasts: Drift
    bound: float

    @property
    def is_steady(self) -> bool:
        """Showing makes no taste in a session: the interval of the drift ends below the bound."""
        return self.answers.rms_high <= self.bound

    @property
    def is_coherent(self) -> bool:
        """Nor does it in what can be foretold: the posterior is that of the users who answer."""
        return self.forecasts.rms_high <= self.bound


@torch.no_grad()
def audit_martingale(
    model: ResponseModel, catalogue: Catalogue, states: State, generator: torch.Generator, audit: Audit = Audit()
) -> Martingale:
    """Run sessions from each state and compare what is then expected of items that were never shown with what was before.

    A user's sessions all show slates of one kind, a kind a user in turn: popular items, the model's own best, items of like kind. No
    item is shown that the state remembers.

    Args:
        model: answers as in a session.
        catalogue: the items.
        states: b of them, of different users where the interval is to be one over users.
        generator: draws items, tastes and answers.
        audit: sizes and bound.

    Raises:
        TrainingError: too few items that a user has not seen.
    """
    asked, candidates = _set_apart(model, catalogue, states, generator, audit)
    fixed = _fixed_scores(catalogue, candidates, generator)
    rows = torch.arange(len(asked)).repeat_interleave(audit.n_draws)
    state, asked, candidates, scores = states.select(rows), asked[rows], candidates[rows], fixed[rows]
    is_greedy = (rows % 3 == 1).nonzero().squeeze(1)
    tastes = model.tastes(state, generator)
    before = _probabilities(model, state, asked, tastes)
    found: list[Drift] = []
    for number in range(1, audit.n_slates + 1):
        if len(is_greedy):
            best = model.logits(state.select(is_greedy), candidates[is_greedy])
            scores[is_greedy] = best.masked_fill(scores[is_greedy] == -torch.inf, -torch.inf)
        chosen = scores.topk(audit.k, dim=1).indices
        slate = candidates.gather(1, chosen)
        scores = scores.scatter(1, chosen, -torch.inf)
        p = torch.sigmoid(model.logits(state, slate, tastes))
        state = answered(state, slate, (torch.rand(p.shape, generator=generator) < p).float())
        if number in (1, audit.n_slates):
            after = _probabilities(model, state, asked, tastes)
            moved = [(new - old).view(len(fixed), audit.n_draws, -1) for new, old in zip(after, before, strict=True)]
            found.extend(drift(part, generator) for part in moved)
    # Without tastes there is one kind of probability, and so one figure.
    return Martingale(found[0], found[-len(before)], found[len(before) - 1], found[-1], audit.bound)


def _probabilities(
    model: ResponseModel, state: State, asked: Int[Tensor, "b j"], tastes: Float[Tensor, "b w"]
) -> list[Float[Tensor, "b j"]]:
    """By the session's tastes, if there are any, and by what can be foretold without them."""
    forecasts = torch.sigmoid(model.logits(state, asked))
    return [torch.sigmoid(model.logits(state, asked, tastes)), forecasts] if tastes.shape[1] else [forecasts]


def _set_apart(
    model: ResponseModel, catalogue: Catalogue, states: State, generator: torch.Generator, audit: Audit
) -> tuple[Int[Tensor, "b j"], Int[Tensor, "b c"]]:
    """Items to ask about, and those to choose slates from: active, different, and not seen before."""
    n_best, n_any = audit.n_asked // 2, audit.n_asked - audit.n_asked // 2
    logits = torch.cat(
        [model.all_logits(states.select(part)) for part in torch.arange(len(states.profile)).split(STATES_AT_ONCE)]
    )
    for seen in (states.history, remembered(states).abs()):
        logits.scatter_(1, seen, -torch.inf)
    is_free = logits > -torch.inf
    fewest, needed = int(is_free.sum(dim=1).min()), audit.n_asked + audit.n_slates * audit.k
    if fewest < needed:
        raise TrainingError(
            f"martingale: a user has {fewest} items left to be shown, expected {needed}; audit fewer slates or items, or other states"
        )
    random = torch.rand(logits.shape, generator=generator).clamp_min(1e-12)
    best = logits.topk(min(BEST_OF * n_best, fewest - n_any - audit.n_slates * audit.k), dim=1).indices
    best = best.gather(1, random.gather(1, best).topk(n_best, dim=1).indices)
    is_free.scatter_(1, best, value=False)
    anywhere = random.masked_fill(~is_free, -1).topk(n_any, dim=1).indices
    is_free.scatter_(1, anywhere, value=False)
    # Gumbel noise on log counts draws without replacement, in proportion to the counts.
    drawn = catalogue.popularity.log1p().log1p() - (-torch.rand(logits.shape, generator=generator).clamp_min(1e-12).log()).log()
    n_candidates = min(audit.n_candidates, fewest - audit.n_asked)
    candidates = drawn.masked_fill(~is_free, -torch.inf).topk(n_candidates, dim=1).indices
    return torch.cat([best, anywhere], dim=1), candidates


def _fixed_scores(catalogue: Catalogue, candidates: Int[Tensor, "b c"], generator: torch.Generator) -> Float[Tensor, "b c"]:
    """What orders the candidates of a user: popularity, or likeness to one of them; the model's own best come later."""
    units = F.normalize(catalogue.vectors, dim=1)
    alike = torch.einsum("bd,bcd->bc", units[candidates[:, 0]], units[candidates])
    is_popular = torch.arange(len(candidates))[:, None] % 3 == 0
    return torch.where(is_popular, catalogue.popularity[candidates], alike)


def drift(moved: Float[Tensor, "b r j"], generator: torch.Generator) -> Drift:
    """Mean and root mean square of E_r[moved], with their intervals over users.

    The square of a mean of draws would hold their noise; the product of the means of two halves, drawn apart, does not:
    E[m₁ m₂] = E[m₁] E[m₂]. Where it comes out below 0, the drift is not to be told from none, and rms is 0.

    Args:
        moved: of b users in r draws, r even, j items.
        generator: draws the users of the bootstrap.
    """
    first, second = moved.double().chunk(2, dim=1)
    squares = (first.mean(dim=1) * second.mean(dim=1)).mean(dim=1)
    means = moved.double().mean(dim=(1, 2))
    picked = torch.randint(len(moved), (N_RESAMPLES, len(moved)), generator=generator)
    points = torch.tensor([0.025, 0.975], dtype=torch.float64)
    square_ends, mean_ends = (of_users[picked].mean(dim=1).quantile(points).tolist() for of_users in (squares, means))
    low, high = (max(end, 0.0) ** 0.5 for end in square_ends)
    return Drift(max(float(squares.mean()), 0.0) ** 0.5, low, high, float(means.mean()), *mean_ends)
