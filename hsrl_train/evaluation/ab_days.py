"""Days of a service: users come, meet their arm's policy for a whole session, and leave rows for that arm's log."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Policy, Records, State
from hsrl_train.simulator.environment import Environment

# What a user's positive answers are worth to the advertisers, and what these pay for them (HSRL §4.4.2: ADVV, Revenue).
EARNINGS = ("advertiser value", "revenue")


@dataclass(frozen=True)
class Served:
    """A day of one arm.

    Attributes:
        reward: of each user's session.
        depth: slates it lasted.
        n_refused: shown places that were not liked.
        n_shown: shown places.
        state: of every user afterwards.
        rows: user rows, histories, slates and feedback of every slate, for the log.
        items: numbers of all shown items, each once.
        earned: ``EARNINGS`` of each user's session; e = 0 where nothing is known of values.
    """

    reward: Float[Tensor, " b"]
    depth: Int[Tensor, " b"]
    n_refused: Float[Tensor, " b"]
    n_shown: Float[Tensor, " b"]
    state: State
    rows: tuple[Tensor, Tensor, Tensor, Tensor]
    items: Int[Tensor, " n"]
    earned: Float[Tensor, "b e"]


def serve(
    policy: Policy,
    environment: Environment,
    states: State,
    kinds: Int[Tensor, " b"],
    k: int,
    seed: int,
    values: Float[Tensor, "n_plus_1 e"] | None = None,
) -> Served:
    """A session of each of b users.

    Args:
        policy: of their arm.
        environment: the users; its models are kinds of users.
        states: where they stand; ``user`` is a row of the profiles.
        kinds: which kind each of them is, for good.
        k: length of a slate.
        seed: of their luck and tastes.
        values: what a positive answer to each item earns, in the order of ``EARNINGS``; row 0 is padding.
    """
    generator = torch.Generator().manual_seed(seed)
    b = len(states.history)
    sessions = environment.start(states, generator, kinds)
    reward, n_refused, n_shown = torch.zeros(b), torch.zeros(b), torch.zeros(b)
    depth = torch.zeros(b, dtype=torch.int64)
    earned = torch.zeros(b, 0 if values is None else values.shape[1])
    parts = []
    running = torch.arange(b)
    after = {
        name: getattr(sessions.state, name).clone() for name in ("history", "recent") if getattr(sessions.state, name) is not None
    }
    while len(running):
        before = sessions.state
        slate = policy.slates(before, k, generator)
        step = environment.step(sessions, slate, torch.rand(len(running), k, generator=generator))
        assert before.user is not None  # noqa: S101  (states of a log say whose they are)
        parts.append((before.user, before.history, slate, step.feedback))
        reward[running] += step.reward
        depth[running] += 1
        n_refused[running] += (1 - step.feedback).sum(dim=1)
        n_shown[running] += float(k)
        if values is not None:
            earned[running] += torch.einsum("bk,bke->be", step.feedback, values[slate])
        for name, kept in after.items():
            kept[running] = getattr(step.sessions.state, name)
        running, sessions = running[~step.done], step.sessions.select(~step.done)
    rows = tuple(torch.cat([part[place] for part in parts]) for place in range(4))
    return Served(reward, depth, n_refused, n_shown, states._replace(**after), rows, rows[2].unique(), earned)  # type: ignore[arg-type]


def with_rows(records: Records, rows: tuple[Tensor, Tensor, Tensor, Tensor]) -> Records:
    """Records and the slates of a day, all of them to learn from; what was shown before them is not known any more.

    Args:
        records: the train records.
        rows: user, history, slate and feedback, see ``Served.rows``.
    """
    user, history, slate, feedback = rows
    return Records.of(
        torch.cat([records.user, user]),
        torch.cat([records.exposed, slate]),
        torch.cat([records.feedback, feedback]),
        torch.cat([records.history, history]),
        torch.cat([records.is_train, torch.ones(len(user), dtype=torch.bool)]),
        records.profiles,
    )


def arms_of(n_users: int, traffic: float, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Users of the control and of the treatment: disjoint, each this share of all users, drawn uniformly.

    Args:
        n_users: all of them.
        traffic: share of each arm, in (0, 0.5].
        seed: of the draw.
    """
    shuffled = np.random.default_rng(seed).permutation(n_users)
    n = max(2, round(traffic * n_users))
    return np.sort(shuffled[:n]), np.sort(shuffled[n : 2 * n])
