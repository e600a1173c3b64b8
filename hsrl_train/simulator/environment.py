"""Sessions with simulated users: they answer slates, lose patience and leave (docs/protocol.md)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hsrl_train.data.world import PADDING, ResponseModel, State, newest, remembered
from hsrl_train.simulator.config import EnvironmentConfig
from pipeline.errors import TrainingError

# Tempers are sums of multiples of the cost, so that many sessions stand at exactly 1 and must not leave by a rounding error.
ROUNDING = 1e-4


class Sessions(NamedTuple):
    """b running sessions; plain tensors, so that a checkpoint holds them as they are.

    ``temper`` is the patience left, ``n_steps`` the slates answered so far, ``model`` the number of the response model that answers,
    ``tastes`` what that model keeps of the user for the whole session; its first columns, where models keep more or less.
    """

    state: State
    temper: Float[Tensor, " b"]
    n_steps: Int[Tensor, " b"]
    model: Int[Tensor, " b"]
    tastes: Float[Tensor, "b w"]

    def select(self, rows: Tensor) -> "Sessions":
        """The sessions at ``rows`` (numbers or a mask)."""
        return Sessions(self.state.select(rows), *(part[rows] for part in self[1:]))


class Step(NamedTuple):
    """What a slate brought: answers (1.0 = liked), reward, whether the user left, and the sessions afterwards.

    ``sessions`` holds the true terminal state where ``done``; see :func:`refill`.
    """

    feedback: Float[Tensor, "b k"]
    reward: Float[Tensor, " b"]
    done: Bool[Tensor, " b"]
    sessions: Sessions


class Environment:
    """The rules of a session, over one or several response models; it keeps no state of its own.

    Args:
        models: sessions are spread over them evenly, in turn.
        config: cost, patience and longest session.
    """

    def __init__(self, models: Sequence[ResponseModel], config: EnvironmentConfig) -> None:
        self.models = tuple(models)
        self.config = config

    def start(self, states: State, generator: torch.Generator, model: Int[Tensor, " b"] | None = None) -> Sessions:
        """Begin a session in each of b states.

        Args:
            states: before the first slate.
            generator: draws the tastes of users, where models have hidden ones.
            model: which model answers each; not given: in turn.
        """
        b, device = states.history.shape[0], states.history.device
        states = states._replace(recent=newest(remembered(states), self.config.memory))
        if model is None:
            model = torch.arange(b, device=device) % len(self.models)
        n_steps = torch.zeros(b, dtype=torch.int64, device=device)
        temper = torch.full((b,), self.config.temper0, device=device)
        return Sessions(states, temper, n_steps, model, self._tastes(states, model, generator))

    def _tastes(self, states: State, model: Int[Tensor, " b"], generator: torch.Generator) -> Float[Tensor, "b w"]:
        """What each session's own model keeps of its user, padded to the widest with 0."""
        drawn = []
        for number, response in enumerate(self.models):
            rows = (model == number).nonzero().squeeze(1)
            drawn.append((rows, response.tastes(states.select(rows), generator)))
        tastes = torch.zeros(len(model), max(part.shape[1] for _, part in drawn), device=model.device)
        for rows, part in drawn:
            tastes[rows, : part.shape[1]] = part
        return tastes

    def step(self, sessions: Sessions, slate: Int[Tensor, "b k"], uniforms: Float[Tensor, "b k"]) -> Step:
        """Show every user a slate.

            y = [u < σ(logit)],   r = mean_k(y − c (1 − y)),   temper ← temper − (K (1 − r) + 1)

        The user leaves when the temper is below 1, or after ``max_steps`` slates. What was liked joins the history.

        Args:
            sessions: none of them finished.
            slate: item numbers 1 … n.
            uniforms: u in [0, 1); drawn by the caller, so that every policy can meet the same luck.

        Raises:
            ValueError: a finished session was stepped; refill or drop those that are done.
        """
        if self._is_over(sessions).any():
            raise ValueError(f"{int(self._is_over(sessions).sum())} of {len(slate)} sessions were over before this step")
        k = slate.shape[1]
        feedback = (uniforms < self.probabilities(sessions, slate)).to(torch.float32)
        reward = slate_reward(feedback, self.config)
        after = Sessions(
            answered(sessions.state, slate, feedback),
            sessions.temper - (k * (1 - reward) + 1),
            sessions.n_steps + 1,
            sessions.model,
            sessions.tastes,
        )
        return Step(feedback, reward, self._is_over(after), after)

    def probabilities(self, sessions: Sessions, slate: Int[Tensor, "b k"]) -> Float[Tensor, "b k"]:
        """The chance that each shown item is liked: each session asks its own model, or with pessimism all of them."""
        if self.config.pessimism and len(self.models) > 1:
            return self.expected(sessions.state, slate)
        logits = torch.empty(slate.shape, device=slate.device)
        for number, model in enumerate(self.models):
            rows = (sessions.model == number).nonzero().squeeze(1)
            if len(rows):
                logits[rows] = model.logits(sessions.state.select(rows), slate[rows], sessions.tastes[rows])
        return torch.sigmoid(logits)

    def expected(self, state: State, items: Int[Tensor, "b j"]) -> Float[Tensor, "b j"]:
        """The chance that each item is liked, as all models together foretell it from the state: their mean, or with pessimism

        σ(mean_m(logit_m) − pessimism · sd_m(logit_m))

        Nothing of a session's hidden taste is read: what was not shown yet is not known.
        """
        logits = torch.stack([model.logits(state, items) for model in self.models])
        if self.config.pessimism:
            return torch.sigmoid(logits.mean(dim=0) - self.config.pessimism * logits.std(dim=0, correction=0))
        return torch.sigmoid(logits).mean(dim=0)

    def _is_over(self, sessions: Sessions) -> Bool[Tensor, " b"]:
        return (sessions.temper < 1 - ROUNDING) | (sessions.n_steps >= self.config.max_steps)


def slate_reward(feedback: Float[Tensor, "b k"], config: EnvironmentConfig) -> Float[Tensor, " b"]:
    """r = mean_k(y_k − c (1 − y_k)), in [−c, 1]; folded to 1 − |r − 0.9| where the configuration says so."""
    reward = (feedback - config.cost * (1 - feedback)).mean(dim=1)
    return 1 - (reward - 0.9).abs() if config.is_reward_folded else reward


def answered(state: State, slate: Int[Tensor, "b k"], feedback: Float[Tensor, "b k"]) -> State:
    """The state after the answers: likes join the history, and all that was shown what is remembered of it."""
    history = extend_history(state.history, slate, feedback)
    if not remembered(state).shape[1]:
        return state._replace(history=history)
    signed = torch.where(feedback > 0, slate, -slate)
    return state._replace(history=history, recent=extend_history(remembered(state), signed, torch.ones_like(feedback)))


def extend_history(history: Int[Tensor, "b h"], slate: Int[Tensor, "b k"], feedback: Float[Tensor, "b k"]) -> Int[Tensor, "b h"]:
    """Append what was liked, in slate order, and keep the h newest: oldest first, padded on the right."""
    width = history.shape[1]
    joined = torch.cat([history, torch.where(feedback > 0, slate, PADDING)], dim=1)
    is_gap = (joined == PADDING).to(torch.uint8)
    return newest(joined.gather(1, is_gap.argsort(dim=1, stable=True)), width)


def require_memory(config: EnvironmentConfig, k: int) -> None:
    """Raise TrainingError where sessions that may show nothing twice could forget what they have shown."""
    if config.repeats == "never" and config.memory < config.max_steps * k:
        raise TrainingError(
            f"environment: memory is {config.memory} items where a session may show {config.max_steps} slates of {k} and nothing twice; "
            f"set memory in [environment] to {config.max_steps * k} or more"
        )


def refill(
    environment: Environment, sessions: Sessions, done: Bool[Tensor, " b"], starts: State, generator: torch.Generator
) -> Sessions:
    """Begin anew where ``done``, each in its row of ``starts``; a session keeps its row and its response model.

    Args:
        environment: whose rules say how a session begins.
        sessions: as a step left them.
        done: which of them are over.
        starts: b states; only the rows where ``done`` are read.
        generator: draws the tastes of the new users.
    """
    rows = done.nonzero().squeeze(1)
    if not len(rows):
        return sessions
    fresh = environment.start(starts.select(rows), generator, sessions.model[rows])
    old, new = sessions.state, fresh.state
    state = old._replace(
        **{
            name: part.index_copy(0, rows, getattr(new, name))
            for name, part in old._asdict().items()
            if part is not None and getattr(new, name) is not None
        }
    )
    rest = {name: part.index_copy(0, rows, getattr(fresh, name)) for name, part in sessions._asdict().items() if name != "state"}
    return Sessions(state, **rest)
