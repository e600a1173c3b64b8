"""The runs of the table, each kept in a file so that what is done is not done again."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
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
RUNS_OF_A_ROW = 3  # two learning rates of the first seed, then the better one's second seed


@dataclass(frozen=True)
class Run:
    """A decoder to learn, validated as it goes and tested at its end.

    Attributes:
        row: what the items are written in.
        trial: how long, how fast, from which seed.
    """

    row: Row
    trial: Trial

    @property
    def key(self) -> str:
        """A name that changes with anything that the result hangs on, but for the code."""
        settings = [asdict(self.row), asdict(self.trial), BEAM, VALIDATING_USERS, MOST_CODES]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Result:
    """What a run gave.

    Attributes:
        figures: row, learning rate, seed, validation NDCG@10 of each check, steps, epochs, CPU seconds of codes, learning and ranking,
            Semantic IDs, share of items that share one, largest bucket.
        ranks: of the test items, by user.
    """

    figures: dict[str, Any]
    ranks: Ranks

    @property
    def validation(self) -> float:
        """NDCG@10 of the weights that were kept."""
        return max(map(float, self.figures["validation"]))


def run_of(row: Row, seconds: float, learning_rate: float, seed: int) -> Run:
    """A run with its part of a row's CPU seconds."""
    return Run(row, Trial(learning_rate, seconds / RUNS_OF_A_ROW, seed))


def done(run: Run, folder: Path) -> Result | None:
    """The result of a run, if the folder has it."""
    path = folder / f"{run.key}.npz"
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as held:
        return Result(json.loads(str(held["figures"])), Ranks(*(held[field.name] for field in fields(Ranks))))


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
    places = {field.name: getattr(ranks, field.name).astype(np.int32) for field in fields(Ranks)}
    part = folder / f"{run.key}.part.npz"
    np.savez_compressed(part, figures=np.array(json.dumps(figures)), **places)
    part.rename(folder / f"{run.key}.npz")
    return Result(figures, ranks)


def chosen(results: Sequence[Result]) -> list[Result]:
    """Of a row's results those with the learning rate whose first seed validated best; what they test is not looked at."""
    first = [result for result in results if result.figures["seed"] == SEEDS[0]]
    if not first:
        return []
    best = max(first, key=lambda result: result.validation)
    return [result for result in results if result.figures["learning_rate"] == best.figures["learning_rate"]]


def results(seconds: float, result_of: Callable[[Run], Result | None]) -> Iterator[Result]:
    """All results in order: both learning rates of every row, the ablations at their row's, then the second seeds.

    Args:
        seconds: CPU seconds of a row.
        result_of: carries a run out, or finds what is kept; None: there is nothing yet, and the run is left out.
    """
    rates: dict[str, float] = {}
    for row in ROWS:
        runs = [run_of(row, seconds, rate, SEEDS[0]) for rate in LEARNING_RATES]
        found = [result for run in runs if (result := result_of(run)) is not None]
        if best := chosen(found):
            rates[row.name] = float(best[0].figures["learning_rate"])
        yield from found
    later = [(row, rates.get(row.tuned_as), SEEDS[0]) for row in ABLATIONS]
    later += [(row, rates.get(row.name), seed) for seed in SEEDS[1:] for row in ROWS]
    for row, rate, seed in later:
        if rate is not None and (result := result_of(run_of(row, seconds, rate, seed))) is not None:
            yield result
