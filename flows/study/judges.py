"""The judges of a study: how well each foretells answers, and how far showing alone moves what it foretells."""

from dataclasses import asdict
from typing import Any

import polars as pl
import torch

from flows.retrain.simulators import load_simulator
from flows.runtime.run import Tick
from flows.stores.workspace import Workspace
from flows.study.plan import StudyPlan
from hsrl_train.data.starts import sample_starts
from hsrl_train.simulator.martingale import Audit, Drift, audit_martingale
from pipeline.errors import TrainingError

# Users whose forecasts are followed; with more the intervals narrow, the verdicts stay.
N_AUDITED = 200


def judge_rows(workspace: Workspace, plan: StudyPlan, tick: Tick) -> pl.DataFrame:
    """A row for each simulator of the configured variant: family, what it was fitted on, quality, and drift (docs/simulators.md).

    ``drift`` is of the probabilities that answer in a session, ``forecast_drift`` of what can be foretold from the state alone; both are
    root mean squares after all slates of the audit. Where there are too few items to follow any apart from those shown, they are empty
    and ``why`` says so.
    """
    store, world, first = workspace.artifacts, workspace.world, plan.trials[0]
    specs = [*first.learned_in, *first.judged_by]
    states = sample_starts(world.records, N_AUDITED, plan.settings.seed)
    rows: list[dict[str, Any]] = []
    for done, spec in enumerate(specs, start=1):
        simulator = load_simulator(store, world, spec)
        row: dict[str, Any] = {"family": spec.config.family, "fit_on": spec.fit_on, "seed": spec.seed}
        row |= {"judged_on": simulator.judged_on, **{name: asdict(simulator.quality)[name] for name in ("auc", "ece")}}
        drawn = torch.Generator().manual_seed(plan.settings.seed)
        found, why = None, None
        try:
            audit = Audit(k=world.records.k)
            found = audit_martingale(simulator.fitted.model, world.catalogue, states, drawn, audit)
        except TrainingError as error:
            why = str(error)
        answers, forecasts = (None, None) if found is None else (found.answers, found.forecasts)
        row |= {**_drift("drift", answers), **_drift("forecast_drift", forecasts)}
        rows.append({**row, "is_steady": None if found is None else found.is_steady, "why": why})
        tick(done, len(specs))
    return pl.DataFrame(rows, infer_schema_length=None)


def _drift(name: str, drift: Drift | None) -> dict[str, float | None]:
    low, mean, high = (None, None, None) if drift is None else (drift.rms_low, drift.rms, drift.rms_high)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}
