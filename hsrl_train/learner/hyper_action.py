"""The mathematics of hyper-actions Z ∈ R^d as small functions (HAC eq. 5–10, TD3).

One letter an axis: b states, k items of a slate, j items asked about, d width. e_i = W x_i is an item in the space of Z, its kernel.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

# Smoothing noise of a target is cut at so many standard deviations.
CUT = 2.5


def of_length(z: Float[Tensor, "b d"], *, holds_length: bool) -> Float[Tensor, "b d"]:
    """Z scaled to length √d, that of d ones; as it is where the length is not held."""
    return functional.rms_norm(z, z.shape[1:]) if holds_length else z


def scale_of(z: Float[Tensor, "b d"]) -> Float[Tensor, "b 1"]:
    """Root mean square of each Z's coordinates, ‖Z‖ / √d, without gradient; the unit of noise on it."""
    return z.detach().square().mean(dim=1, keepdim=True).sqrt()


def noisy(z: Float[Tensor, "b d"], noise: float, generator: torch.Generator, cut: float | None = None) -> Float[Tensor, "b d"]:
    """Z + noise · ‖Z‖ / √d · ε with ε ~ N(0, I), each coordinate of ε cut to [-cut, cut] where there is a cut.

    HAC §2.7 adds noise of a fixed size. The best slate of Z depends on its direction only, so that a fixed size would explore less and
    less as Z grows; noise in units of Z turns it by the same angle throughout.
    """
    if not noise:
        return z
    epsilon = torch.randn(z.shape, generator=generator).to(z.device)
    if cut is not None:
        epsilon = epsilon.clamp(-cut, cut)
    return z + noise * scale_of(z) * epsilon


def pooled(items: Float[Tensor, "n_plus_1 d"], slate: Int[Tensor, "b k"]) -> Float[Tensor, "b d"]:
    """Ẑ = mean_k e_{i_k}: the hyper-action that a slate stands for (HAC eq. 6, its inverse module)."""
    return items[slate].mean(dim=1)


def of_log(z: Float[Tensor, "b d"], z_hat: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
    """Z as it was noted, and where nobody noted it (NaN: a slate of the log) that of its slate."""
    return torch.where(z.isnan(), z_hat, z)


def alignment_loss(z: Float[Tensor, "b d"], z_hat: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """E‖Z − Ẑ‖² / d (HAC eq. 9, by coordinate so that its weight does not depend on d); the gradient reaches actor and items."""
    return (z - z_hat).square().mean()


def smaller(values: Float[Tensor, "b n_critics"]) -> Float[Tensor, " b"]:
    """min_j Q_j: of twin critics that which promises less."""
    return values.min(dim=1).values


def log_odds(z: Float[Tensor, "b d"], items: Float[Tensor, "n_plus_1 d"], asked: Int[Tensor, "b j"]) -> Float[Tensor, "b j"]:
    """⟨Z, e_i⟩ of some items (HAC eq. 5), which supervision takes for the log-odds of a like (HAC eq. 10)."""
    return torch.einsum("bd,bjd->bj", z, items[asked])


def log_density(z: Float[Tensor, "b d"], mean: Float[Tensor, "b d"], log_sigma: Float[Tensor, " d"]) -> Float[Tensor, " b"]:
    """log N(Z; mean, diag(σ²)) / d in nats a coordinate, up to a constant: −mean_i [½ ((Z_i − mean_i) / σ_i)² + log σ_i]."""
    scaled = (z - mean) / log_sigma.exp()
    return -(0.5 * scaled.square() + log_sigma).mean(dim=1)
