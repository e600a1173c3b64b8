"""States as they were some slates ago: what a part of a policy knows that is asked only now and then."""

import torch
from jaxtyping import Int
from torch import Tensor

from hsrl_train.data.world import PADDING, State, remembered
from pipeline.errors import TrainingError


def state_before(state: State, n_items: Int[Tensor, " b"]) -> State:
    """Before the newest ``n_items`` shown items of each user, as far as the state remembers them.

    Likes among them leave the history too; those that the history had dropped for them do not come back.
    """
    shown = remembered(state)
    places = torch.arange(shown.shape[1], device=shown.device)
    n_left = ((shown != PADDING).sum(dim=1) - n_items).clamp_min(0)
    is_gone = places >= n_left[:, None]
    n_likes = ((shown > 0) & is_gone).sum(dim=1)
    n_history = (state.history != PADDING).sum(dim=1) - n_likes
    is_old = torch.arange(state.history.shape[1], device=shown.device) < n_history[:, None]
    return state._replace(history=state.history * is_old, recent=shown.masked_fill(is_gone, PADDING))


def state_at_last_visit(state: State, k: int, every: int) -> State:
    """As it was when it was last looked at, if that happens every so many slates.

    The clock is the number of slates that the state remembers, log and session alike, so that a policy needs no memory of its own. Where
    the memory is full the clock stands still, and the state is as old as it may be.

    Args:
        state: of b users.
        k: items of a slate.
        every: slates from a look to the next; 1 = now.

    Raises:
        TrainingError: the state remembers nothing of what was shown.
    """
    if every == 1:
        return state
    shown = remembered(state)
    if not shown.shape[1]:
        raise TrainingError(
            f"learner: a goal is to be kept for {every} slates, but sessions remember 0 shown items; set memory in [environment], "
            "or goal_every = 1 in [learner.mcchrl]"
        )
    n_shown = (shown != PADDING).sum(dim=1)
    age = torch.where(n_shown == shown.shape[1], every - 1, n_shown.div(k, rounding_mode="floor") % every)
    return state_before(state, age * k)
