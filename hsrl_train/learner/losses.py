"""The losses of HSRL as small functions (HSRL eq. 18–26) and the two departures that ``best`` makes from them.

One letter an axis: b transitions, k items of a slate. Log-probabilities are natural; rewards are per step, in [-c, 1].
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

# Bound of the weight of a replayed step in methods that are on-policy as published. Unweighted, their losses have no lower bound: PG-RA
# stayed at the shelf of Two Shelves that pays now, KGCR at a genre of Four Genres.
MOST_WEIGHT = 2.0


def td_target(
    reward_t: Float[Tensor, " b"], done_t: Bool[Tensor, " b"], value_tp1: Float[Tensor, " b"], gamma: float
) -> Float[Tensor, " b"]:
    """One-step target of the session value (18).

        Q̂_t = r_t + γ (1 − done_t) V̄(s_{t+1})

    ``done_t`` is true where the session ended with this step; nothing is bootstrapped there. No gradient flows through it.
    """
    return (reward_t + gamma * (~done_t) * value_tp1).detach()


def slate_advantage(target_t: Float[Tensor, " b"], value_t: Float[Tensor, " b"], clip: float) -> Float[Tensor, " b"]:
    """A_t = Q̂_t − V(s_t), cut to [-clip, clip], without gradient (19)."""
    return (target_t - value_t).detach().clamp(-clip, clip)


def item_advantage(
    gap_t: Float[Tensor, " b"],
    reward_t: Float[Tensor, " b"],
    item_reward_t: Float[Tensor, "b k"],
    clip: float,
    share: float = 1.0,
) -> Float[Tensor, "b k"]:
    """The slate's advantage split by item, without gradient.

        A_k = share · (ρ_k − r_t) + Q̂_t − V(s_t),   cut to [-clip, clip]

    ρ_k is the item's own reward, ``gap_t`` is Q̂_t − V(s_t). Before the cut the mean over the slate is (19) where r is the mean
    of ρ. ``share`` 1 is ItemA2C with
    equal weights (docs/baselines.md §3.8): the item is paid K times what it adds to the slate's mean reward but once what it adds to
    the future, so that its horizon is in truth γ / K. At 1 / K both count alike.
    """
    return (share * (item_reward_t - reward_t[:, None]) + gap_t[:, None]).detach().clamp(-clip, clip)


def shared_reward(reward_t: Float[Tensor, " b"], item_reward_t: Float[Tensor, "b k"], share: float) -> Float[Tensor, "b k"]:
    """r + share · (ρ_k − r): the slate's reward for each item, its own the more, the nearer ``share`` is to 1; the mean stays r."""
    return reward_t[:, None] + share * (item_reward_t - reward_t[:, None])


def importance_weight(log_probs: Float[Tensor, "b k"], log_probs_then: Float[Tensor, "b k"], clip: float) -> Float[Tensor, "b k"]:
    """min(π(i | s) / π_then(i | s), clip), without gradient: how much a replayed slate still says about today's policy.

    What the policy has given up is then left alone. Without it (21) on replayed slates pushes refused items down for ever: its
    loss has no lower bound there.
    """
    return (log_probs - log_probs_then).detach().exp().clamp(max=clip)


def critic_loss(value_t: Float[Tensor, " b"], target_t: Float[Tensor, " b"]) -> Float[Tensor, ""]:
    """Mean of (V(s_t) − Q̂_t)² (20)."""
    return functional.mse_loss(value_t, target_t)


def decomposed_critic_loss(
    value_t: Float[Tensor, " b"],
    action_value_t: Float[Tensor, " b"],
    target_t: Float[Tensor, " b"],
    ratio: Float[Tensor, " b"],
) -> Float[Tensor, ""]:
    """Two losses in place of (20), so that what users do by chance and what the policy shows by chance are averaged apart.

        mean (Q(s_t, Z_t) − Q̂_t)² + mean β (V(s_t) − sg Q(s_t, Z_t))²

    The second learns nothing of a single answer, but of what such slates are worth. TD decomposition (WWW '25, arXiv 2501.17409),
    reconstructed from summaries (docs/baselines.md §3.8).

    Args:
        value_t: V of the state.
        action_value_t: Q of the state and what was shown.
        target_t: Q̂ of (18).
        ratio: β, how much today's policy still shows such a slate; see ``slate_ratio``.
    """
    return functional.mse_loss(action_value_t, target_t) + (ratio * (value_t - action_value_t.detach()).square()).mean()


def slate_ratio(log_probs: Float[Tensor, "b k"], log_probs_then: Float[Tensor, "b k"], clip: float) -> Float[Tensor, " b"]:
    """β = min((Π_k π(i_k | s) / π_then(i_k | s))^(1/K), clip), without gradient; the root keeps long slates from vanishing [A]."""
    return (log_probs - log_probs_then).detach().mean(dim=1).exp().clamp(max=clip)


def policy_gradient_loss(
    advantage: Float[Tensor, "b k"] | Float[Tensor, " b"], item_log_probs: Float[Tensor, "b k"]
) -> Float[Tensor, ""]:
    """−E[A log π(Z | s)] with log π(Z | s) = (1/K) Σ_k Σ_l log π(z_k^l | c(l-1)) (21, 22).

    Args:
        advantage: one a slate, or one an item.
        item_log_probs: log π(i_k | s) of the displayed items, summed over the levels (14).
    """
    per_item = advantage if advantage.ndim == 2 else advantage[:, None]
    return -(per_item * item_log_probs).mean(dim=1).mean()


def entropy_by_level(log_probs: Float[Tensor, "b all_tokens"], vocabulary: tuple[int, ...]) -> Float[Tensor, " l"]:
    """Mean entropy of each level's token distribution, in nats, in [0, log V_l]."""
    return torch.stack([-(level.exp() * level).sum(dim=1).mean() for level in torch.split(log_probs, list(vocabulary), dim=1)])


def entropy_loss(entropies: Float[Tensor, " l"]) -> Float[Tensor, ""]:
    """−(1/L) Σ_l H(π(· | c(l-1))) (23)."""
    return -entropies.mean()


def cloning_loss(item_log_probs: Float[Tensor, "b k"], feedback: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
    """−E[Σ_k y_k log π(i_k | s)]: a sum over the slate, a mean over the states (24)."""
    return -(feedback * item_log_probs).sum(dim=1).mean()


def actor_loss(
    policy_gradient: Float[Tensor, ""],
    entropy: Float[Tensor, ""],
    likelihood: Float[Tensor, ""],
    weights: tuple[float, float, float],
) -> Float[Tensor, ""]:
    """L_actor = λ_pg L_PG + λ_en L_en + λ_bc L_BC (25), where λ_pg = 1 in the paper.

    A term of weight 0 is left out, so that it cannot turn the sum into no number.
    """
    terms = zip(weights, (policy_gradient, entropy, likelihood), strict=True)
    return sum((weight * term for weight, term in terms if weight), start=torch.zeros(()))


def joint_loss(actor: Float[Tensor, ""], critic: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """L = L_actor + L_critic (26): one step for both."""
    return actor + critic


def two_sided_loss(item_logits: Float[Tensor, "b k"], feedback: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
    """Logistic loss of shown items: liked up, refused down (a departure from (24), which only pulls up; docs/measurements.md).

        −mean[y log σ(a) + (1 − y) log(1 − σ(a))],   a_k = Σ_l logit_l[z_k^l] + bias

    Raw logits, not log-probabilities: a probability over a whole catalogue cannot be the chance that one shown item is liked.
    Both rank items alike, since within a state they differ by one number. What it is worth: docs/measurements.md, recipe.
    """
    return functional.binary_cross_entropy_with_logits(item_logits, feedback)
