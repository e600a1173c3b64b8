"""A log whose truth is known: users of two kinds, hidden, and items of two kinds."""

import numpy as np
import torch

from hsrl_train.data.tensors import with_log
from hsrl_train.data.world import Catalogue, Records, State

N_ITEMS = 20
LIKES, REFUSES = 0.9, 0.2


def catalogue() -> Catalogue:
    """Items 1 … 10 of kind 0 and 11 … 20 of kind 1, the kind as vector; as popular as a fair log makes them."""
    kind = torch.arange(N_ITEMS + 1) > 10
    vectors = torch.stack([~kind, kind], dim=1).float() - 0.5
    vectors[0] = 0
    return Catalogue(
        np.arange(1, N_ITEMS + 1),
        vectors,
        torch.full((N_ITEMS + 1, 0), -1),
        (),
        torch.arange(N_ITEMS + 1) > 0,
        torch.cat([torch.zeros(1), torch.full((N_ITEMS,), 5.0)]),
    )


def log(n_users: int = 300, n_slates: int = 5, seed: int = 0) -> Records:
    """Every user is shown ``n_slates`` slates of two, no item twice; he likes items of his kind at .9 and others at .2."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 2, n_users)
    shown = np.stack([random.permutation(N_ITEMS)[: 2 * n_slates] + 1 for _ in range(n_users)])
    p = np.where((shown > 10) == kind[:, None], LIKES, REFUSES)
    liked = random.random(shown.shape) < p
    exposed, feedback = (torch.from_numpy(part.reshape(n_users * n_slates, 2)) for part in (shown, liked))
    user = torch.arange(n_users).repeat_interleave(n_slates)
    history = torch.zeros(len(user), 1, dtype=torch.int64)
    is_train = torch.arange(len(user)) % n_slates < n_slates - 1
    return with_log(Records.of(user, exposed, feedback.float(), history, is_train, torch.zeros(n_users, 0)))


def after(*shown: int, memory: int = 12) -> State:
    """The state of a user who was shown these, refusals negative."""
    recent = torch.tensor([[*shown, *[0] * (memory - len(shown))]])
    return State(torch.zeros(1, 0), torch.zeros(1, 4, dtype=torch.int64), recent, torch.zeros(1, dtype=torch.int64))
