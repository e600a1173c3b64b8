"""Slates of the log as steps to learn from: people's own answers, in place of simulated ones or beside them."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from hsrl_train.data.world import Records, newest
from hsrl_train.learner.replay import Transitions
from hsrl_train.simulator.environment import Environment, slate_reward
from pipeline.errors import TrainingError


def logged_steps(
    generator: torch.Generator, environment: Environment, records: Records, n: int, note_width: int = 0
) -> Transitions:
    """Slates of the log as steps of sessions that never end, drawn uniformly; nobody knows how probable they were, nor noted anything."""
    picked = torch.randint(len(records), (n,), generator=generator).to(records.device)
    drawn = records.select(picked)
    reward = slate_reward(drawn.feedback, environment.config)
    # As sessions remember it, also where the log does not tell what came before.
    recent = newest(drawn.shown_before(environment.config.memory), environment.config.memory)
    is_done = torch.zeros_like(drawn.user, dtype=torch.bool)
    log_prob, note = torch.zeros_like(drawn.feedback), reward.new_full((n, note_width), torch.nan)
    return Transitions(drawn.user, drawn.history, drawn.exposed, drawn.feedback, reward, is_done, recent, log_prob, note)


def is_scorable(slate: Int[Tensor, "b k"], showable: Int[Tensor, " m"]) -> Bool[Tensor, "b k"]:
    """Which places hold an item that the method can score: the log also shows what has gone since, or has no Semantic ID."""
    is_known = torch.zeros(int(torch.maximum(slate.max(), showable.max())) + 1, dtype=torch.bool, device=slate.device)
    is_known[showable] = True
    return is_known[slate]


def with_some(rows: Transitions, is_there: Bool[Tensor, "b k"]) -> tuple[Transitions, Bool[Tensor, "b k"]]:
    """The steps, those without any place to score taken by one that has some.

    Raises:
        TrainingError: none has.
    """
    has_some = is_there.any(dim=1)
    if has_some.all():
        return rows, is_there
    if not has_some.any():
        raise TrainingError(
            f"training: none of the {rows.slate.numel()} places of a batch of logged slates holds an item that can be shown; "
            "run: hsrl refresh, or set log_share = 0 in [learner.losses]"
        )
    picked = torch.where(has_some, torch.arange(len(has_some), device=has_some.device), has_some.to(torch.uint8).argmax())
    return Transitions(*(field[picked] for field in rows)), is_there[picked]


def in_place(rows: Transitions, is_there: Bool[Tensor, "b k"]) -> Transitions:
    """The steps, each place that cannot be scored taken by the first of its slate that can, with its answer."""
    if is_there.all():
        return rows
    places = torch.arange(rows.slate.shape[1], device=rows.slate.device)
    place = torch.where(is_there, places, is_there.to(torch.uint8).argmax(dim=1, keepdim=True))
    return rows._replace(slate=rows.slate.gather(1, place), feedback=rows.feedback.gather(1, place))
