"""What a study has to do: every variant in every seed, with the simulators and Semantic IDs it needs."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from flows.retrain.simulators import SimulatorSpec, judging_specs, training_specs
from flows.runtime.settings import Settings
from flows.stores.models import of_codebook
from flows.stores.pinned import Pinned
from flows.stores.workspace import Workspace
from flows.study.trial import Trial
from flows.study.variants import STUDIES, Study, Variant, applied, variants_of
from pipeline.contracts import EMBEDDINGS, ITEMS, open_rows
from pipeline.errors import ConfigError, ContractError
from pipeline.sids.assign import assign
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.learn import learn_codebook
from pipeline.sids.table import SidTable
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class StudyPlan:
    """A study, laid out.

    Attributes:
        study: which.
        settings: of the configured variant.
        variants: that can be done; the configured variant first.
        trials: the reference rows, then every seed of every variant.
        skipped: names of variants that equal the configured variant, or that this catalogue has too few items for, and why.
    """

    study: Study
    settings: Settings
    variants: tuple[Variant, ...]
    trials: tuple[Trial, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def simulators(self) -> list[SimulatorSpec]:
        """All that are needed, each once."""
        return list({spec.simulator_id: spec for trial in self.trials for spec in (*trial.learned_in, *trial.judged_by)}.values())

    @property
    def sids(self) -> list[str]:
        """Names of the Semantic IDs that were learned for it."""
        return sorted({trial.sids for trial in self.trials if trial.sids is not None})


def planned(
    warehouse: Warehouse,
    workspace: Workspace,
    pinned: Pinned,
    name: str,
    settings: Settings,
    n_seeds: int,
    n_iterations: int | None,
) -> StudyPlan:
    """Lay a study out on a pinned release; other Semantic IDs are learned here, which takes seconds each.

    Raises:
        ConfigError: there is no such study, or a variant does not fit the configuration.
    """
    if name not in STUDIES:
        raise ConfigError(f"reproduce: unknown study {name}; known are {', '.join(STUDIES)}")
    study = STUDIES[name]
    changes = {**study.base, **({"learner.schedule.n_iterations": n_iterations} if n_iterations else {})}
    base = applied(settings, changes)
    trials = [_trial(workspace, Variant("references"), base, None, None)]
    variants, skipped = [], []
    for variant in variants_of(study, base):
        changed = applied(base, variant.changes)
        if variant.changes and changed == base:
            skipped.append((variant.name, "it is the configured one"))
            continue
        try:
            sids = None if _codes(changed) == _codes(base) else _own_sids(warehouse, workspace, pinned, changed)
        except ContractError as error:
            skipped.append((variant.name, str(error)))
            continue
        variants.append(variant)
        trials += [_trial(workspace, variant, changed, base.seed + number, sids) for number in range(n_seeds)]
    return StudyPlan(study, base, tuple(variants), tuple(trials), tuple(skipped))


def of_variant(plan: StudyPlan, variant: Variant) -> Iterator[Trial]:
    """Its trials, by seed."""
    return (trial for trial in plan.trials if trial.variant == variant.name)


def _trial(workspace: Workspace, variant: Variant, settings: Settings, seed: int | None, sids: str | None) -> Trial:
    store, world, config = workspace.artifacts, workspace.world, settings.simulator
    learned_in = training_specs(store, world, config, settings.seed)
    judged_by = judging_specs(store, world, config, settings.seed, settings.evaluation.n_simulators)
    return Trial(variant.name, settings, tuple(learned_in), tuple(judged_by), seed, sids)


def _codes(settings: Settings) -> tuple[object, ...]:
    """What Semantic IDs are made by, of the settings that a study may change."""
    return settings.sids, settings.embeddings.score_aware


def _own_sids(warehouse: Warehouse, workspace: Workspace, pinned: Pinned, settings: Settings) -> str:
    """Learn a codebook from the release's vectors and lay its Semantic IDs out; nothing is published."""
    with Warehouse.open_release(warehouse.root, pinned.release.release_id, settings.engine.memory_limit_mb) as release:
        space = pinned.codebook.embedding_id if settings.embeddings.score_aware else pinned.embedding_id
        embeddings = of_codebook(release.read(EMBEDDINGS, "FROM embeddings"), space)
        items = release.read(ITEMS, "FROM items ORDER BY item_id")
    catalogue = pinned.world.catalogue
    likes = {"item_id": catalogue.item_ids, "n_positives": catalogue.popularity[1:].long().numpy()}
    codebook = learn_codebook(embeddings, settings.sids, settings.seed, pl.DataFrame(likes))
    changes = assign(NightInputs(1, items, embeddings), codebook, SidIncumbents(), settings.sids.assignment_rules)
    return workspace.lay_out_sids(pinned.world.with_sids(SidTable.from_frame(open_rows(changes.upserts), codebook.vocabulary)))
