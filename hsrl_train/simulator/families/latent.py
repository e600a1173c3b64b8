"""The latent user: a taste drawn once a session, so that what is shown reveals it and does not make it (docs/simulators.md)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812  (the name everyone knows it by)
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.weights import require_shapes
from hsrl_train.data.world import PADDING, Catalogue, Records, State, remembered
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.families.factors import WIDTH, Picked, fit_factors
from hsrl_train.simulator.families.family import Family, Progress

_N_NEWTON = 4
# Users whose posterior is worked out at once, each with all that he was shown: bounds the memory.
USERS_AT_ONCE = 1_000


class LatentUser:
    """Users of hidden taste z = (t, b), items of known factors: logit_i = a_i + b + ⟨t, v_i⟩.

    A session's z is drawn from the normal that approximates its posterior (Laplace) given the profile and all answers that the state
    remembers, refusals among them. Asked without a z, it answers by the posterior predictive,

        p_i ≈ σ(m_i / √(1 + π s²_i / 8)),   m_i and s²_i mean and variance of logit_i

    Implements :class:`hsrl_train.data.world.ResponseModel`.

    Attributes:
        items: (n + 1, w + 1) v_i, and a_i as the last column.
    """

    def __init__(self, tensors: Mapping[str, Tensor], catalogue: Catalogue) -> None:
        self._hidden = ~catalogue.is_active
        self.items: Float[Tensor, "n_plus_1 w_plus_1"] = tensors["items"]
        self.item_map: Float[Tensor, "d w_plus_1"] = tensors["from_features"][:-1]
        self._from_profile = tensors["from_profile"]
        self._precision = torch.linalg.inv(tensors["user_covariance"])

    def to(self, device: str) -> "LatentUser":
        """Move all tensors there."""
        for name in ("_hidden", "items", "item_map", "_from_profile", "_precision"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def posterior(self, state: State) -> tuple[Float[Tensor, "b w_plus_1"], Float[Tensor, "b w_plus_1 w_plus_1"]]:
        """Mode of z given the state, and the precision there: what is known of a user.

        Where the state remembers nothing of what was shown, his likes stand in for it, though they were not drawn at random.
        """
        parts = [self._posterior(state.select(rows)) for rows in torch.arange(len(state.history)).split(USERS_AT_ONCE)]
        modes, precisions = zip(*parts, strict=True)
        return torch.cat(modes), torch.cat(precisions)

    def _posterior(self, state: State) -> tuple[Tensor, Tensor]:
        shown = remembered(state) if remembered(state).shape[1] else state.history
        is_there, liked = (shown != PADDING).float(), (shown > 0).float()
        known = self.items[shown.abs()]
        inputs, offset = _with_constant(known[..., :-1]), known[..., -1]
        mean = _with_constant(state.profile) @ self._from_profile
        z = mean
        for _ in range(_N_NEWTON):
            p = torch.sigmoid(offset + torch.einsum("bmw,bw->bm", inputs, z))
            gradient = torch.einsum("bm,bmw->bw", (liked - p) * is_there, inputs) - (z - mean) @ self._precision
            weighted = inputs * (p * (1 - p) * is_there)[..., None]
            precision = weighted.transpose(1, 2) @ inputs + self._precision
            z = z + torch.linalg.solve(precision, gradient)
        return z, precision

    def interest(self, state: State) -> Float[Tensor, "b w_plus_1"]:
        """(t, 1) of each user, by the mode of his posterior: what item factors are weighed by in his scores."""
        return _with_constant(self.posterior(state)[0][:, :-1])

    def tastes(self, state: State, generator: torch.Generator) -> Float[Tensor, "b w_plus_1"]:
        """z of each session, drawn from the posterior."""
        mode, precision = self.posterior(state)
        noise = torch.randn(mode.shape, generator=generator).to(mode.device)
        # With precision = L Lᵀ, L⁻ᵀ noise has its inverse as covariance.
        root = torch.linalg.cholesky(precision)
        return mode + torch.linalg.solve_triangular(root.transpose(1, 2), noise[..., None], upper=True)[..., 0]

    def logits(self, state: State, slate: Int[Tensor, "b k"], tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b k"]:
        """Log-odds of a like for each shown item: of this z, or of all that are possible."""
        known = self.items[slate]
        if tastes is not None:
            z = tastes[:, : known.shape[2]]
            return known[..., -1] + torch.einsum("bkw,bw->bk", _with_constant(known[..., :-1]), z)
        mode, precision = self.posterior(state)
        inputs = _with_constant(known[..., :-1])
        spread = torch.linalg.solve_triangular(torch.linalg.cholesky(precision), inputs.transpose(1, 2), upper=False)
        return _averaged(known[..., -1] + torch.einsum("bkw,bw->bk", inputs, mode), spread.square().sum(dim=1))

    def all_logits(self, state: State, tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b n_plus_1"]:
        """The same for every item; -inf for padding and inactive items."""
        inputs, offset = _with_constant(self.items[:, :-1]), self.items[:, -1]
        if tastes is not None:
            logits = offset + tastes[:, : inputs.shape[1]] @ inputs.T
        else:
            mode, precision = self.posterior(state)
            # Σ_wv C_wv x_w x_v as a product of two matrices, b × w² by w² × n: nothing of size b × n × w is held.
            covariance = torch.linalg.inv(precision).flatten(1)
            squares = (inputs[:, :, None] * inputs[:, None]).flatten(1)
            logits = _averaged(offset + mode @ inputs.T, (covariance @ squares.T).clamp_min(0))
        return logits.masked_fill(self._hidden, -torch.inf)


def _averaged(mean: Tensor, variance: Tensor) -> Tensor:
    """The logit of E[σ(x)], x normal: MacKay's approximation."""
    return mean / (1 + torch.pi / 8 * variance).sqrt()


def _with_constant(rows: Tensor) -> Tensor:
    return F.pad(rows, (0, 1), value=1.0)


def fit(
    records: Records, catalogue: Catalogue, config: SimulatorConfig, seed: int, progress: Progress | None
) -> dict[str, Tensor]:
    """Fit the factors; items are then drawn from their posterior by ``seed``, so that simulators differ as far as the log leaves open."""
    answers = LoggedAnswers(records)
    features = catalogue.vectors.double().numpy()
    start = _first_directions(features, answers)
    factors, _ = fit_factors(answers, records.profiles.double().numpy(), features, start, progress)
    noise = np.random.default_rng(seed).standard_normal(factors.items.shape)
    drawn = factors.items + np.einsum("nwv,nv->nw", np.linalg.cholesky(factors.item_covariance), noise)
    drawn[PADDING] = 0
    fitted = {
        "items": drawn,
        "from_features": factors.from_features,
        "from_profile": factors.from_profile,
        "user_covariance": factors.user_covariance,
    }
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in fitted.items()}


@dataclass(frozen=True)
class LoggedAnswers:
    """Every shown place of the records with its answer, numbered record by record."""

    records: Records

    def __len__(self) -> int:
        """How many there are."""
        return len(self.records) * self.records.k

    def at(self, places: npt.NDArray[np.int64]) -> Picked:
        """Some of them."""
        rows, place = np.divmod(places, self.records.k)
        log = self.records.log
        slates = torch.from_numpy(rows) if self.records.rows is None else self.records.rows[torch.from_numpy(rows)]
        shown = log.shown[slates, torch.from_numpy(place)].long().numpy()
        return Picked(log.user[slates].long().numpy(), np.abs(shown), (shown > 0).astype(np.float64))


def _first_directions(features: np.ndarray, answers: LoggedAnswers) -> np.ndarray:
    """(n + 1, w) leading directions of the features, about the mean over the items that were shown; .3 long in the mean."""
    is_shown = np.zeros(len(features), bool)
    for batch in answers.records.batches():
        is_shown[batch.exposed.flatten().numpy()] = True
    centred = features - features[is_shown].mean(axis=0)
    centred[PADDING] = 0
    left = np.linalg.svd(centred, full_matrices=False)[0][:, :WIDTH]
    return np.asarray(left * 0.3 * len(left) ** 0.5)


def read(tensors: Mapping[str, Tensor], catalogue: Catalogue, profile_width: int, config: SimulatorConfig) -> LatentUser:
    """The model over the same items.

    Raises:
        TrainingError: the tensors are those of other items or profiles.
    """
    n, d = catalogue.vectors.shape
    width = tensors["items"].shape[1] if "items" in tensors else WIDTH + 1
    shapes = {"items": (n, width), "from_features": (d + 1, width), "from_profile": (profile_width + 1, width)}
    require_shapes(tensors, {**shapes, "user_covariance": (width, width)}, "simulator")
    return LatentUser(tensors, catalogue)


FAMILY = Family("latent", fit, read, fitted_as="latent")
