"""Foresight: what showing a token is worth beyond its own slate, found by whole simulated sessions.

What a user is shown becomes the history that later answers come from. Supervision cannot see that, and the policy gradient sees
it through a critic whose errors are larger than it (docs/learner.md). So the learner's last step searches policies by what they earn: a
constant is added to every token's logit, the same for all users, and the cross-entropy method finds it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hsrl_train.data.starts import sample_starts
from hsrl_train.data.world import Records, State
from hsrl_train.learner.cross_entropy import cross_entropy_search
from hsrl_train.learner.policy import HsrlPolicy
from hsrl_train.simulator.environment import Environment

# Directions that the constants are made of: few, so that few sessions find them.
N_DIRECTIONS = 16
# States of training records that directions are taken from, and that sessions begin in.
N_STATES, N_STARTS = 2_000, 5_000
# The constants that were found are checked against none in this many times the sessions of a candidate, and kept only if they gain
# this many standard errors: with less, half of all searches would keep what luck favours.
N_CHECKS, N_ERRORS = 4, 2.0
ROWS_AT_ONCE = 1_000


def with_foresight(
    policy: HsrlPolicy,
    environment: Environment,
    records: Records,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> HsrlPolicy:
    """The policy with the constants that earn most in whole sessions of the environment, or as it is where none surely earn more.

    With several simulators each session is answered by one of them, so that what pays in one alone finds less favour.

    Args:
        policy: where the search begins, whatever constants it has; on the environment's device.
        environment: of the training simulators; all of them have a say.
        records: train records, where sessions begin; their slates' length is K.
        seed: of candidates, starts and luck.
        progress: called with (rounds done, mean return of the best guess before the round) after each.
    """
    config, k, device = policy.config, records.k, policy.vectors.device
    generator = torch.Generator().manual_seed(seed)
    starts = sample_starts(records, N_STARTS, seed, "train")
    basis = token_directions(policy, starts.select(torch.arange(min(N_STATES, len(starts.history)), device=device)))
    n_models = len(environment.models)
    n_sessions = -(-config.search.n_sessions // n_models) * n_models  # so that every candidate meets every simulator alike

    def returns_of(candidates: Float[Tensor, "c f"], n: int) -> Float[Tensor, "c n"]:
        rows = torch.randint(len(starts.history), (n,), generator=generator).to(device)
        luck = torch.rand(n, environment.config.max_steps, k, generator=generator).to(device)
        foresight = policy.network.foresight + candidates.to(device) @ basis
        return returns(policy, foresight, environment, starts.select(rows), luck, generator)

    found = cross_entropy_search(
        lambda candidates: returns_of(candidates, n_sessions).mean(dim=1),
        len(basis),
        config.search.n_rounds,
        config.search.n_candidates,
        config.search.first_spread,
        generator,
        progress,
    )
    without, with_found = returns_of(torch.stack([torch.zeros_like(found), found]), N_CHECKS * n_sessions)
    gain = with_found - without
    if gain.mean() <= N_ERRORS * gain.std() * len(gain) ** -0.5:
        return policy
    network = policy.network.with_foresight(policy.network.foresight + found.to(device) @ basis)
    return replace(policy, network=network)


def token_directions(policy: HsrlPolicy, states: State) -> Float[Tensor, "f all_tokens"]:
    """Ways in which the logits of users differ, and their mean: the leading directions of what the heads read, through the heads.

    A candidate then asks for what users would get whose states lay that much further in these directions. Each is scaled to standard
    deviation 1 over the scores of what is ranked, the buckets of the index.
    """
    network, n_levels = policy.network, len(policy.network.hpn.heads)
    with torch.no_grad():
        read = torch.cat([network.tokens(some, policy.vectors).contexts[:, :n_levels] for some in _in_parts(states)])
        if network.hpn.hierarchy == "flat":
            read = read[:, :1].expand(-1, n_levels, -1)
        mean = read.flatten(1).mean(dim=0)
        leading = torch.linalg.svd(read.flatten(1) - mean, full_matrices=False).Vh[:N_DIRECTIONS]
        parts = torch.cat([leading, mean[None]]).view(-1, n_levels, read.shape[2])
        tokens = torch.cat(
            [parts[:, level] @ cast(nn.Linear, head).weight.T for level, head in enumerate(network.hpn.heads)], dim=1
        )
        return tokens / policy.index.scores(tokens).std(dim=1, correction=0, keepdim=True).clamp_min(1e-6)


@torch.no_grad()
def returns(
    policy: HsrlPolicy,
    foresight: Float[Tensor, "c all_tokens"],
    environment: Environment,
    starts: State,
    luck: Float[Tensor, "n steps k"],
    generator: torch.Generator,
) -> Float[Tensor, "c n"]:
    """Σ_t γ^t r_t of n whole sessions with each of c constants; all meet the same starts with the same luck.

    Args:
        policy: whose own constants are not used; its configuration tells γ.
        foresight: constants for every token.
        environment: whose rules and answers.
        starts: n states.
        luck: uniform numbers in [0, 1).
        generator: of a policy that is random within SIDs.
    """
    c, (n, _, k) = len(foresight), luck.shape
    running = torch.arange(c * n, device=luck.device)
    sessions, totals = environment.start(starts, generator).select(running % n), torch.zeros(c * n, device=luck.device)
    while len(running):
        slate = torch.cat(
            [
                policy.slates(sessions.state.select(rows), k, generator, foresight[running[rows] // n])
                for rows in torch.arange(len(running), device=luck.device).split(ROWS_AT_ONCE)
            ]
        )
        step = environment.step(sessions, slate, luck[running % n, sessions.n_steps])
        totals[running] += policy.config.losses.gamma**sessions.n_steps * step.reward
        running, sessions = running[~step.done], step.sessions.select(~step.done)
    return totals.view(c, n).cpu()


def _in_parts(states: State) -> list[State]:
    return [states.select(rows) for rows in torch.arange(len(states.history), device=states.history.device).split(ROWS_AT_ONCE)]
