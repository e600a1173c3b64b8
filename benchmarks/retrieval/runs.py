"""The runs of the table, each kept in a file so that what is done is not done again."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.retrieval.codes import ABLATIONS, ROWS, Row, written
from benchmarks.retrieval.learning import Trial, learn
from benchmarks.retrieval.log import Sequences
from benchmarks.retrieval.network import MOST_CODES
from benchmarks.retrieval.ranking import BEAM, Ranks, next_item_ranks

LEARNING_RATES = (2e-3, 5e-3)
SEEDS = (1, 2)
TESTING = 1
VALIDATING_USERS = 2_500
_SHARE_OF_TRIAL = 0.1  # of a row's CPU seconds, for each learning rate
_SHARE_OF_SEED = 0.4  # for each seed


@dataclass(frozen=True)
class Run:
    """A decoder to learn: a trial of a learning rate, judged on the items that validate, or a seed, judged on those that test.

    Attributes:
        row: what the items are written in.
        trial: how long, how fast, from which seed.
        is_tested: whether the test items are ranked.
    """

    row: Row
    trial: Trial
    is_tested: bool

    @property
    def key(self) -> str:
        """A name that changes with anything that the result hangs on, but for the code."""
        settings = [asdict(self.row), asdict(self.trial), self.is_tested, BEAM, VALIDATING_USERS, MOST_CODES]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Result:
    """What a run gave.

    Attributes:
        figures: row, learning rate, seed, validation NDCG@10 of each check, steps, epochs, CPU seconds of codes, learning and ranking,
            Semantic IDs, share of items that share one, largest bucket.
        ranks: of the test items, by user; None for a trial.
    """

    figures: dict[str, Any]
    ranks: Ranks | None


def trials(row: Row, seconds: float) -> list[Run]:
    """The same trials for every row."""
    return [Run(row, Trial(rate, seconds * _SHARE_OF_TRIAL, seed=0, n_checks=1), is_tested=False) for rate in LEARNING_RATES]


def seeds(row: Row, seconds: float, learning_rate: float, wanted: tuple[int, ...]) -> list[Run]:
    """The runs that are tested."""
    return [Run(row, Trial(learning_rate, seconds * _SHARE_OF_SEED, seed), is_tested=True) for seed in wanted]


def done(run: Run, folder: Path) -> Result | None:
    """The result of a run, if the folder has it."""
    path = folder / f"{run.key}.npz"
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as held:
        ranks = Ranks(held["item"], held["divided"], held["sid"]) if run.is_tested else None
        return Result(json.loads(str(held["figures"])), ranks)


def carried_out(run: Run, sequences: Sequences, folder: Path) -> Result:
    """Learn, rank and keep; or read what was kept."""
    if (known := done(run, folder)) is not None:
        return known
    clock = [time.process_time()]
    made = written(run.row, sequences, run.trial.seed)
    clock.append(time.process_time())
    validating = np.sort(np.random.default_rng(0).permutation(sequences.n_users)[:VALIDATING_USERS])
    learned = learn(made.codes, sequences, run.trial, validating, made.history_codes)
    clock.append(time.process_time())
    ranks = None
    if run.is_tested:
        ranks = next_item_ranks(learned.decoder, sequences, TESTING, np.arange(sequences.n_users))
    clock.append(time.process_time())
    sizes = np.diff(made.codes.trie.item_start)
    figures = {
        "row": run.row.name,
        "learning_rate": run.trial.learning_rate,
        "seed": run.trial.seed,
        "validation": learned.validation,
        "n_steps": learned.n_steps,
        "n_epochs": learned.n_epochs,
        "n_weights": sum(weight.numel() for weight in learned.decoder.parameters()),
        "cpu_seconds": dict(zip(("codes", "learning", "ranking"), np.diff(clock).tolist(), strict=True)),
        "n_sids": made.codes.trie.n_leaves,
        "shared": float(sizes[sizes > 1].sum() / sizes.sum()),
        "largest": int(sizes.max()),
    }
    folder.mkdir(parents=True, exist_ok=True)
    held: dict[str, Any] = {"figures": np.array(json.dumps(figures))}
    if ranks is not None:
        held |= {name: getattr(ranks, name).astype(np.int32) for name in ("item", "divided", "sid")}
    part = folder / f"{run.key}.part.npz"
    np.savez_compressed(part, **held)
    part.rename(folder / f"{run.key}.npz")
    return Result(figures, ranks)


def best_rate(row: Row, seconds: float, result_of: Callable[[Run], Result | None]) -> float | None:
    """The learning rate whose trial validated best; an ablation takes that of the row that it changes. None before any trial."""
    tuned = next((each for each in ROWS if each.name == row.tuned_as), row)
    tried = [result for run in trials(tuned, seconds) if (result := result_of(run)) is not None]
    if not tried:
        return None
    return float(max(tried, key=lambda result: result.figures["validation"][-1]).figures["learning_rate"])


def results(seconds: float, result_of: Callable[[Run], Result | None]) -> Iterator[Result]:
    """All results in order: the trials, the first seed of every row, the ablations, then the other seeds.

    Args:
        seconds: CPU seconds of a row.
        result_of: carries a run out, or finds what is kept; None: there is nothing yet, and the run is left out.
    """
    for row in ROWS:
        yield from filter(None, map(result_of, trials(row, seconds)))
    for rows, wanted in ((ROWS, SEEDS[:1]), (ABLATIONS, SEEDS[:1]), (ROWS, SEEDS[1:])):
        for row in rows:
            if (rate := best_rate(row, seconds, result_of)) is not None:
                yield from filter(None, map(result_of, seeds(row, seconds, rate, wanted)))
