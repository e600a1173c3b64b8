"""What a policy loses by a rebuild: at once, and after a short training that begins at its weights."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from torch import Tensor

from benchmarks.tokenizer.nights import kept
from benchmarks.tokenizer.report import Section
from flows.refresh.flow import refresh
from flows.retrain.judging import real_answers_of
from flows.retrain.simulators import fit_missing, judging_specs, load_fitted, training_specs
from flows.retrain.training import decided_by_log
from flows.runtime.run import Run
from flows.runtime.settings import Settings, load_settings
from flows.runtime.steps import DirectSteps
from flows.stores.models import of_codebook
from flows.stores.pinned import Pinned, pin_latest
from flows.stores.workspace import Workspace
from hsrl_train.data.starts import sample_starts
from hsrl_train.data.tensors import World
from hsrl_train.evaluation.real_answers import AUC, NDCG
from hsrl_train.evaluation.rollouts import SharedStarts, evaluate
from hsrl_train.learner.loop import StoredPolicy, train
from hsrl_train.learner.methods import method_named
from hsrl_train.simulator.environment import Environment
from pipeline.contracts import EMBEDDINGS, open_rows
from pipeline.sids.align import old_numbers, renumbered
from pipeline.sids.assign import assign
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.learn import learn_codebook
from pipeline.sids.table import SidTable
from pipeline.sids.vectors import matrix
from pipeline.warehouse.warehouse import Warehouse

CONFIG = Path(__file__).parents[2] / "flows" / "configs" / "ml-100k.toml"
LONG, SHORT, SESSIONS, SEED_OF_REBUILD = 200, 25, 200, 1


@dataclass(frozen=True)
class Scene:
    """A release of ML-100K, a simulator to learn in and another to be judged by."""

    settings: Settings
    pinned: Pinned
    vectors: pl.DataFrame
    items: pl.DataFrame
    learned_in: Environment
    judged_by: Environment

    def under(self, book: Codebook) -> World:
        """The world with the Semantic IDs that a rebuild to ``book`` gives."""
        changes = assign(NightInputs(1, self.items, self.vectors), book, SidIncumbents(), self.settings.sids.assignment_rules)
        return self.pinned.world.with_sids(SidTable.from_frame(open_rows(changes.upserts), book.vocabulary))

    def learn(self, world: World, n_iterations: int, begin: Mapping[str, Tensor] | None) -> StoredPolicy:
        """The policy after some iterations, from ``begin`` or from fresh weights; 0 iterations: as it begins."""
        learner, _ = decided_by_log(self.settings.learner, self.settings.environment, world)
        method = method_named(learner.method)
        config = method.configured(learner).shortened(max(n_iterations, 2))
        records = world.records.select(world.records.is_train)
        agent = method.fresh(world.catalogue, records.profiles.shape[1], records.history_length, config, self.settings.seed)
        if begin is not None:
            agent.start_from(begin)
        if not n_iterations:
            return agent.policy()
        return train(agent, self.learned_in, records, config, self.settings.seed).policy

    def judged(self, world: World, policy: StoredPolicy) -> list[str]:
        """AUC and NDCG@10 within people's test slates, and Total Reward in the judging simulator."""
        learner, environment = decided_by_log(self.settings.learner, self.settings.environment, world)
        real = real_answers_of(world, "policy", policy, environment.memory, learner)
        states = sample_starts(world.records, SESSIONS, self.settings.seed, "test")
        starts = SharedStarts(states, world.records.k, world.catalogue, self.settings.seed)
        reward = float(evaluate("policy", [policy], [self.judged_by], starts).rewards.mean())
        figures = [interval.mean for metric in (AUC, NDCG) if (interval := real.interval(metric))]
        return [*(f"{figure:.4f}" for figure in figures), f"{reward:.2f}"]


def after_rebuild() -> Section:
    """A policy under its own Semantic IDs, under those of a rebuild as learned, and under those that took old numbers."""
    with tempfile.TemporaryDirectory() as folder:
        scene = _scene(Path(folder))
        old = scene.pinned.codebook
        fresh = learn_codebook(scene.vectors, scene.settings.sids, SEED_OF_REBUILD)
        vectors = matrix(scene.vectors, "benchmark")
        before, after = encode(vectors, old).tokens, encode(vectors, fresh).tokens
        numbers = old_numbers(before, after, old.vocabulary)
        books = {
            "its own codes": old,
            "rebuilt, numbers as learned": fresh,
            "**rebuilt, old numbers taken**": renumbered(fresh, numbers),
        }
        weights = scene.learn(scene.under(old), LONG, None).to_tensors()
        rows = []
        for name, book in books.items():
            world, tokens = scene.under(book), encode(vectors, book).tokens
            share = f"{kept(before, tokens)[0]:.1%}, {kept(before, tokens)[-1]:.1%}"
            for n_iterations in (0, SHORT):
                judged = scene.judged(world, scene.learn(world, n_iterations, weights))
                rows.append([name, share, "the policy", f"{n_iterations}", *judged])
        for n_iterations in (SHORT, LONG):
            judged = scene.judged(world, scene.learn(world, n_iterations, None))
            rows.append([name, share, "fresh weights", f"{n_iterations}", *judged])
    return Section(
        "What a policy loses by a rebuild (ML-100K)",
        ["codes", "kept numbers: level 1, all", "begins at", "iterations", "AUC", "NDCG@10", "Total Reward"],
        rows,
        f"A policy of the preset best after {LONG} iterations, in one training simulator, under codes of seed 0; a rebuild that learns the "
        f"codes anew on the same vectors with seed {SEED_OF_REBUILD}. AUC and NDCG@10: people's own answers in test slates; Total Reward: "
        f"{SESSIONS} sessions in a simulator of another seed. A single run each: differences of a hundredth of AUC say nothing.",
    )


def _scene(folder: Path) -> Scene:
    root = folder / "warehouse"
    settings = load_settings(CONFIG, root)
    refresh(settings, root, Run("daily-refresh"), DirectSteps())
    with Warehouse.open(root) as warehouse:
        pinned = pin_latest(warehouse, settings.source.name, settings.engine.memory_limit_mb)
        items = warehouse.query("FROM items ORDER BY item_id")
        vectors = of_codebook(warehouse.read(EMBEDDINGS, "FROM embeddings"), pinned.codebook.embedding_id).sort("item_id")
        world, evaluation = pinned.world, settings.evaluation.model_copy(update={"families": ("attention",), "n_simulators": 1})
        workspace = Workspace.of(warehouse, world)
        own = training_specs(workspace.artifacts, world, settings.simulator.model_copy(update={"n_training": 1}), settings.seed)
        others = judging_specs(workspace.artifacts, world, settings.simulator, settings.seed, evaluation)
        fit_missing(workspace, [*own, *others], 1, lambda done, total: None)
        _, environment = decided_by_log(settings.learner, settings.environment, world)
        learned_in, judged_by = (
            Environment([load_fitted(workspace.artifacts, world, specs[-1]).model], environment) for specs in (own, others)
        )
        workspace.clear()
    return Scene(settings, pinned, vectors, items, learned_in, judged_by)
