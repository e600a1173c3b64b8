"""Fitting a user response model to logged slates, and how good it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hsrl_train.data.world import Catalogue, Records, ResponseModel, states_of
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.families import family_named
from hsrl_train.simulator.families.family import Progress
from pipeline.errors import TrainingError

FitOn = Literal["train", "all"]
N_BINS = 10
# Large enough to be fast, small enough that the attention of 50 keys stays within tens of MB.
SCORING_BATCH = 1024


@dataclass(frozen=True)
class FittedSimulator:
    """A fitted response model with what it was fitted by.

    Attributes:
        model: answers.
        tensors: with configuration, seed and catalogue all that ``from_tensors`` needs.
        config: family, preset, sizes and optimisation.
        seed: of the fit.
        fit_on: the records it was fitted on.
    """

    model: ResponseModel
    tensors: Mapping[str, Tensor]
    config: SimulatorConfig
    seed: int
    fit_on: FitOn

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[str, Tensor],
        catalogue: Catalogue,
        profile_width: int,
        config: SimulatorConfig,
        seed: int,
        fit_on: FitOn,
    ) -> "FittedSimulator":
        """Build the simulator of these tensors, over items of the same embedding.

        Raises:
            TrainingError: the tensors are not exactly those of this configuration, item width and profile width.
        """
        model = family_named(config.family).read(tensors, catalogue, profile_width, config)
        return cls(model, tensors, config, seed, fit_on)


@dataclass(frozen=True)
class Quality:
    """How well answers are predicted.

    Attributes:
        auc: chance that a liked item was given more than one not liked, ties half; in [0, 1].
        ece: expected calibration error, |mean p − mean y| over ten bins of equal width weighted by their answers; in [0, 1].
        log_loss: mean −log of the probability given to the answer, in nats.
        mean_p: mean predicted probability.
        mean_y: share of likes.
        n: answers judged.
    """

    auc: float
    ece: float
    log_loss: float
    mean_p: float
    mean_y: float
    n: int


def fit_response_model(
    records: Records,
    catalogue: Catalogue,
    config: SimulatorConfig,
    seed: int,
    fit_on: FitOn = "train",
    progress: Progress | None = None,
) -> FittedSimulator:
    """Fit one model on the training records, or on all of them.

    Args:
        records: N slates.
        catalogue: the items they name.
        config: family, preset, sizes and optimisation.
        seed: the same seed gives the same model on the same machine.
        fit_on: ``train`` for simulators that policies learn in, ``all`` for those that judge them.
        progress: called with (steps done, steps in all) after every step.

    Raises:
        TrainingError: there is no record to fit, or the loss is no longer a number.
    """
    fitted = records.select(records.is_train) if fit_on == "train" else records
    if not len(fitted):
        raise TrainingError(f"simulator: 0 of {len(records)} records are for training; check the split")
    tensors = family_named(config.family).fit(fitted, catalogue, config, seed, progress)
    return FittedSimulator.from_tensors(tensors, catalogue, records.profiles.shape[1], config, seed, fit_on)


def quality(model: ResponseModel, records: Records) -> Quality:
    """Judge a model on logged slates; held-out ones, unless it is the fit that is in question.

    Raises:
        TrainingError: the answers are all alike, or there are none, so that no ranking can be judged.
    """
    from sklearn.metrics import roc_auc_score  # it takes longer to import than to rank a thousand requests

    answers = torch.cat([batch.feedback.flatten() for batch in records.batches()] or [torch.zeros(0)]).numpy()
    if answers.min(initial=1) == answers.max(initial=0) or not len(answers):
        raise TrainingError(
            f"simulator: {len(answers)} answers to judge by, all alike, expected both kinds; check the test split"
        )
    p = torch.cat([_probabilities(model, batch) for batch in records.batches(SCORING_BATCH)])
    predicted = p.flatten().to(torch.float64).numpy()
    clipped = predicted.clip(1e-7, 1 - 1e-7)
    return Quality(
        auc=float(roc_auc_score(answers, predicted)),
        ece=calibration_error(predicted, answers),
        log_loss=float(-np.mean(answers * np.log(clipped) + (1 - answers) * np.log1p(-clipped))),
        mean_p=float(predicted.mean()),
        mean_y=float(answers.mean()),
        n=len(answers),
    )


def _probabilities(model: ResponseModel, records: Records) -> Float[Tensor, "b k"]:
    return torch.sigmoid(model.logits(states_of(records), records.exposed))


def calibration_error(predicted: np.ndarray, answers: np.ndarray) -> float:
    """Σ_bins (n_bin / n) |mean p − mean y|, ten bins of equal width on [0, 1]."""
    bins = np.minimum((predicted * N_BINS).astype(np.int64), N_BINS - 1)
    gaps = np.bincount(bins, predicted - answers, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(answers))
