"""What a study has to do: every variant in every seed, with the simulators and Semantic IDs it needs."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.retrain.simulators import SimulatorSpec, judging_specs, training_specs
from flows.runtime.settings import Settings
from flows.stores.models import of_codebook
from flows.stores.pinned import Pinned
from flows.stores.workspace import Workspace
from flows.study.study import BASE, Study, Variant
from flows.study.trial import Trial
from flows.study.variants import STUDIES, applied, variants_of
from hsrl_train.data.tensors import World
from hsrl_train.data.turnover import Turnover
from hsrl_train.evaluation.config import EvaluationConfig
from hsrl_train.simulator.config import SimulatorConfig
from pipeline.contracts import EMBEDDINGS, ITEMS, open_rows
from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.errors import ConfigError, ContractError
from pipeline.sids.assign import assign
from pipeline.sids.config import SidsConfig
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.learn import learn_codebook
from pipeline.sids.table import SidTable
from pipeline.warehouse.warehouse import Warehouse

# How many variants learn with more seeds than the others, where `--best-seeds` asks for it.
N_BEST = 3


@dataclass(frozen=True)
class StudyRequest:
    """What is asked for.

    Attributes:
        study: its name.
        n_seeds: of every variant.
        n_iterations: of every training; None = as configured.
        out: folder for the pages.
        budget: CPU seconds of every training, in place of iterations; None = iterations.
        only: names of the variants that are wanted, beside the first; empty = all.
        data: name of the ready configuration that was asked for; None = a file of one's own.
        simulator: preset that was asked for; None = as configured.
        n_best_seeds: seeds of the first variant and the ``N_BEST`` that reach most where they learned; None = as many as of all.
    """

    study: str
    n_seeds: int
    n_iterations: int | None
    out: Path
    budget: float | None = None
    only: tuple[str, ...] = ()
    data: str | None = None
    simulator: str | None = None
    n_best_seeds: int | None = None

    @property
    def words(self) -> str:
        """The study and what it was asked for beside it, as the command has it."""
        given = [f"--data {self.data}"] if self.data else []
        given += [f"--simulator {self.simulator}"] if self.simulator else []
        given += [f"--seeds {self.n_seeds}"]
        given += [f"--best-seeds {self.n_best_seeds}"] if self.n_best_seeds else []
        given += [f"--iterations {self.n_iterations}"] if self.n_iterations else []
        given += [f"--budget {self.budget:g}"] if self.budget else []
        given += [f'--only "{name}"' for name in self.only]
        return " ".join([self.study, *given])


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


def plan_study(
    warehouse: Warehouse, workspace: Workspace, pinned: Pinned, settings: Settings, request: StudyRequest
) -> StudyPlan:
    """Lay a study out on a pinned release; other Semantic IDs are learned here, which takes seconds each.

    Raises:
        ConfigError: there is no such study, it has no best rows, or a variant does not fit the configuration.
    """
    if request.study not in STUDIES:
        raise ConfigError(f"reproduce: unknown study {request.study}; known are {', '.join(STUDIES)}")
    study = STUDIES[request.study]
    if study.stages and request.n_best_seeds:
        raise ConfigError(
            f"reproduce: {request.study} learns every row with as many seeds; leave --best-seeds out, or raise --seeds"
        )
    base = applied(settings, {**study.base, **({"training.judge_sessions": 100} if study.is_tuned else {})})
    if request.n_iterations:
        base = base.model_copy(update={"learner": base.learner.shortened(request.n_iterations)})
    source = CodeSource(warehouse, pinned, base.engine.memory_limit_mb, base.seed)
    references = Trial("references", base, *_specs(workspace, base.simulator, base.evaluation, base.seed), None)
    frozen = _first_catalogues_codes(workspace, source, base.sids, base.embeddings) if study.stages else None
    trials = _in_stages(study, replace(references, sids=frozen))
    variants, skipped = [], []
    for variant in _wanted(list(variants_of(study, base.model_dump())), request):
        changed = applied(base, variant.changes)
        if variant.changes and changed == base:
            skipped.append((variant.name, "it is the configured one"))
            continue
        codes, score_aware = changed.sids, changed.embeddings.score_aware
        has_own_codes = (codes, score_aware) != (base.sids, base.embeddings.score_aware)
        try:
            sids = workspace.lay_out_sids(source.under_codes(codes, score_aware=score_aware)) if has_own_codes else frozen
        except ContractError as error:
            skipped.append((variant.name, str(error)))
            continue
        variants.append(variant)
        specs = _specs(workspace, changed.simulator, changed.evaluation, changed.seed)
        for number in range(request.n_seeds):
            trials += _in_stages(study, Trial(variant.name, changed, *specs, base.seed + number, sids))
    return StudyPlan(study, base, tuple(variants), tuple(trials), tuple(skipped))


def _in_stages(study: Study, trial: Trial) -> list[Trial]:
    return [replace(trial, stage=stage) for stage in study.stages] if study.stages else [trial]


def _first_catalogues_codes(workspace: Workspace, source: "CodeSource", codes: SidsConfig, space: EmbeddingsConfig) -> str:
    """Semantic IDs by a codebook that has seen the first catalogue only: what comes later gets its own from frozen codes."""
    first = Turnover(0.0, source.seed).first(workspace.world).catalogue
    known = first.item_ids[first.is_active[1:].numpy()]
    made = source.under_codes(codes, score_aware=space.score_aware, learned_from=known)
    return workspace.lay_out_sids(made)


def _wanted(variants: list[Variant], request: StudyRequest) -> list[Variant]:
    wanted = {BASE, *(_wanted_name(variants, name, request.study) for name in request.only)}
    return [variant for variant in variants if not request.only or variant.name in wanted]


def _wanted_name(variants: list[Variant], name: str, study: str) -> str:
    """The variant of that name, as pages call it, or the only one that learns by the method of that name."""
    if name.casefold() == STUDIES[study].first_name.casefold():
        return BASE
    if name in {variant.name for variant in variants}:
        return name
    by_method = [variant.name for variant in variants if variant.changes.get("learner.method") == name.casefold()]
    if len(by_method) == 1:
        return by_method[0]
    known = ", ".join(repr(variant.name) for variant in variants[1:])
    raise ConfigError(f"reproduce: {study} has no variant {name!r}; it has {known}")


def of_variant(plan: StudyPlan, variant: Variant) -> Iterator[Trial]:
    """Its trials, by seed."""
    return (trial for trial in plan.trials if trial.variant == variant.name)


def with_more_seeds(plan: StudyPlan, names: Collection[str], n_seeds: int) -> StudyPlan:
    """The plan with ``n_seeds`` seeds of the named variants; the others keep theirs."""
    trials: list[Trial] = [trial for trial in plan.trials if trial.seed is None]
    for variant in plan.variants:
        own = list(of_variant(plan, variant))
        n_missing = max(0, n_seeds - len(own)) if variant.name in names else 0
        trials += [*own, *(replace(own[0], seed=plan.settings.seed + len(own) + number) for number in range(n_missing))]
    return replace(plan, trials=tuple(trials))


def _specs(
    workspace: Workspace, config: SimulatorConfig, evaluation: EvaluationConfig, seed: int
) -> tuple[tuple[SimulatorSpec, ...], tuple[SimulatorSpec, ...]]:
    """The simulators that a variant learns in, and those that judge it."""
    store, world = workspace.artifacts, workspace.world
    judging = judging_specs(store, world, config, seed, evaluation)
    return tuple(training_specs(store, world, config, seed)), tuple(judging)


@dataclass(frozen=True)
class CodeSource:
    """What codebooks of variants are learned from: the vectors of the pinned release; nothing is published.

    Attributes:
        warehouse: whose release.
        pinned: the release and its world.
        memory_limit_mb: of DuckDB.
        seed: of the codebooks.
    """

    warehouse: Warehouse
    pinned: Pinned
    memory_limit_mb: int
    seed: int

    def under_codes(self, config: SidsConfig, *, score_aware: bool, learned_from: npt.NDArray[np.int64] | None = None) -> World:
        """The world under Semantic IDs of a codebook of its own, in the space of scores or of plain vectors.

        Args:
            config: of the codebook.
            score_aware: whether its space is that of scores.
            learned_from: ids of the items that the codebook is learned from, the others get their Semantic IDs by it; None = all.

        Raises:
            ContractError: there are too few items for such a codebook.
        """
        pinned = self.pinned
        with Warehouse.open_release(self.warehouse.root, pinned.release.release_id, self.memory_limit_mb) as release:
            space = pinned.codebook.embedding_id if score_aware else pinned.embedding_id
            embeddings = of_codebook(release.read(EMBEDDINGS, "FROM embeddings"), space)
            items = release.read(ITEMS, "FROM items ORDER BY item_id")
        catalogue = pinned.world.catalogue
        likes = {"item_id": catalogue.item_ids, "n_positives": catalogue.popularity[1:].long().numpy()}
        known = embeddings if learned_from is None else embeddings.filter(pl.col("item_id").is_in(learned_from))
        codebook = learn_codebook(known, config, self.seed, pl.DataFrame(likes))
        changes = assign(NightInputs(1, items, embeddings), codebook, SidIncumbents(), config.assignment_rules)
        return pinned.world.with_sids(SidTable.from_frame(open_rows(changes.upserts), codebook.vocabulary))
