"""The flow daily-refresh: what is new in the raw logs → records → Semantic IDs → audits → one published release."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from flows.artifacts import Artifact, artifact_rows, records_up_to
from flows.feed import is_begun, missing_days, write_missing_days
from flows.incumbent import Incumbent, items_without_vector, read_incumbent
from flows.meaning import meaning_rows, require_acceptable, require_same_meaning, stored_meaning
from flows.plan import forecast
from flows.recorded import Ending, recorded
from flows.run import Run, code_version
from flows.semantic_ids import SemanticIds, make_semantic_ids, make_splits
from flows.settings import Settings
from flows.staging import KIND, Arrived, Staged, TakenIn, arrived_deliveries, ingest_rows, stage_next
from flows.steps import Steps
from pipeline.contracts import REJECTS
from pipeline.errors import ConfigError, EmptyFileError, SourceError
from pipeline.ingest.meaning import Meaning, meaning_of
from pipeline.ingest.open import open_source
from pipeline.ingest.source import Source
from pipeline.warehouse.artifacts import bytes_of, fingerprint
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.verify import naming_damage, require_intact
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Wish:
    """What a person may ask of a refresh beside the configuration: days (both inclusive), a new tokenizer, only a plan, changes that are
    meant."""

    first: date | None = None
    last: date | None = None
    rebuild: bool = False
    dry_run: bool = False
    accept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse days that no day lies between."""
        if self.first and self.last and self.first > self.last:
            raise ConfigError(f"--from {self.first} lies after --to {self.last}; name the earlier day first")

    @property
    def told(self) -> str:
        """The days, as a part of a sentence."""
        return "".join(f" {word} {day}" for word, day in (("from", self.first), ("to", self.last)) if day)

    def holds(self, day: date) -> bool:
        """Whether a day is meant."""
        return not ((self.first and day < self.first) or (self.last and day > self.last))


@dataclass(frozen=True)
class Tables:
    """The small tables of the release to come, whole."""

    items: pl.DataFrame
    users: pl.DataFrame
    splits: pl.DataFrame


@naming_damage
def refresh(settings: Settings, root: Path, run: Run, steps: Steps, wish: Wish | None = None) -> dict[str, Any]:
    """Bring the warehouse up to date with the raw logs.

    Holds the writer's lock from reading the incumbent to the commit. What is staged stays until it is published, so that a run
    that was killed is not repeated but continued.

    Returns:
        What was done, as plain values.

    Raises:
        HsrlError: whatever a person can mend; nothing was published then.
    """
    wish = wish or Wish()
    require_acceptable(settings, wish.accept)
    source = open_source(settings.source, settings.ingest.chunk_rows, settings.ingest.quarantine_limit)
    if wish.dry_run:
        return _plan(root, settings, source, wish)
    with (
        Warehouse.create_or_open(root, settings.engine.memory_limit_mb) as warehouse,
        warehouse.writer(run.run_id, settings.engine.lock_timeout_seconds, run.say),
        recorded(warehouse, run, _config(settings, wish)) as ending,
    ):
        with run.stage("raw logs"):
            write_missing_days(settings.source)
        return _refresh(warehouse, settings, source, run, steps, wish, ending)


def _config(settings: Settings, wish: Wish) -> dict[str, Any]:
    """The settings, and the changes that were accepted."""
    return {**settings.model_dump(mode="json"), **({"accepted": list(wish.accept)} if wish.accept else {})}


def _plan(root: Path, settings: Settings, source: Source, wish: Wish) -> dict[str, Any]:
    """What a refresh would do; writes nothing, makes no warehouse and no feed."""
    to_make = [day.isoformat() for day in missing_days(settings.source) if wish.holds(day)]
    if Warehouse.is_at(root):
        with Warehouse.open_copy(root) as warehouse:
            incumbent = read_incumbent(warehouse, settings, rebuild=wish.rebuild)
            require_same_meaning(stored_meaning(warehouse, source.name), settings, wish.accept)
            arrived = _arrived(settings, source, _taken_in(incumbent), wish)
            told = forecast(warehouse, settings, incumbent, _bytes(arrived), len(to_make))
    else:
        Warehouse.require_room(root)
        arrived, told = _arrived(settings, source, TakenIn(), wish), None
    learns = told is None or told["mode"] == "learn"
    return {
        "status": "planned",
        "deliveries": [one.delivery.id for one in arrived],
        "to_generate": to_make,
        "bytes": _bytes(arrived),
        "tokenizer": "learn anew" if learns else told["mode"] if told and (arrived or to_make) else "nothing to do",
        "forecast": told,
    }


def _arrived(settings: Settings, source: Source, taken_in: TakenIn, wish: Wish) -> list[Arrived]:
    if not is_begun(settings.source):
        return []
    return arrived_deliveries(source, taken_in, wish.first, wish.last, settings.ingest.settle_hours)


def _taken_in(incumbent: Incumbent) -> TakenIn:
    return TakenIn(incumbent.known_hashes, incumbent.waiting_hashes)


def _bytes(arrived: Sequence[Arrived]) -> int:
    return sum(bytes_of(file) for one in arrived for file in one.delivery.files)


def _refresh(
    warehouse: Warehouse, settings: Settings, source: Source, run: Run, steps: Steps, wish: Wish, ending: Ending
) -> dict[str, Any]:
    with run.stage("check stored files"):
        require_intact(warehouse, (*TABLES, "user_state", "embedding_model"))
    with run.stage("read the last release"):
        incumbent = read_incumbent(warehouse, settings, rebuild=wish.rebuild)
    stored = stored_meaning(warehouse, source.name)
    require_same_meaning(stored, settings, wish.accept)
    with run.stage("look for new files"):
        arrived = _arrived(settings, source, _taken_in(incumbent), wish)
    staged, passed_over = _stage(warehouse, settings, source, incumbent, arrived, run, steps, stored)
    if not staged and not (wish.rebuild and incumbent.release) and not items_without_vector(warehouse):
        _sweep(warehouse)
        but = f" but for {len(passed_over)} without rows" if passed_over else ""
        run.say(f"nothing new: every raw file{wish.told} is in the warehouse already{but}")
        return {"status": "nothing new", "run_id": run.run_id, "release_id": None, "passed_over": passed_over}
    state = staged[-1].files("state") if staged else incumbent.state
    records = [*incumbent.records, *(file for one in staged for file in one.files("records"))]
    if not records:
        raise SourceError(_too_few_events(settings, state))
    with run.stage("splits"):
        splits = steps.run("splits", make_splits, settings, state, records)
    items, users = (staged[-1].frame("items"), staged[-1].frame("users")) if staged else (incumbent.items, incumbent.users)
    tables = Tables(items, users, splits)
    release_id = warehouse.next_release_id()
    with run.stage("semantic ids") as tick:
        sids = steps.run(
            "semantic ids", make_semantic_ids, warehouse, settings, incumbent, items, users, splits, records, release_id, tick
        )
    with run.stage("audits and publish"):
        inputs = (*(one.arrived.ingest_id for one in staged), sids.models.embedding_id, sids.codebook.codebook_id)
        # By its kind the churn audit knows that someone asked for new Semantic IDs.
        kind = "rebuild" if wish.rebuild and incumbent.release else "refresh"
        draft = ReleaseDraft(run.run_id, kind, code_version(), _config(settings, wish), settings.seed, inputs)
        changes = _changes(warehouse, source.name, run, incumbent, staged, tables, sids, release_id)
        changes = _with_meaning(changes, settings, stored, staged, release_id)
        steps.run("audits and publish", warehouse.publish, draft, changes)
    ending.release_id = release_id
    report = _report(run, release_id, staged, tables, sids, _warnings(warehouse, run)) | {"passed_over": passed_over}
    _sweep(warehouse)
    return report


def _stage(
    warehouse: Warehouse,
    settings: Settings,
    source: Source,
    incumbent: Incumbent,
    arrived: Sequence[Arrived],
    run: Run,
    steps: Steps,
    stored: Mapping[str, Meaning],
) -> tuple[list[Staged], list[str]]:
    """The deliveries staged, and the ids of those that hold no rows (yet) and are passed over.

    Raises:
        EmptyFileError: there is nothing else, and no release either.
    """
    staged: list[Staged] = []
    empty: dict[str, EmptyFileError] = {}
    with run.stage("ingest and records") as tick:
        for number, one in enumerate(arrived, start=1):
            try:
                staged.append(stage_next(warehouse, settings, source, incumbent, staged, one, run, steps, stored))
            except EmptyFileError as error:
                empty[one.delivery.id] = error
                run.say(f"{one.delivery.id}: no rows; passed over")
            tick(number, len(arrived))
    if empty and not staged and incumbent.release is None:
        raise next(iter(empty.values()))
    return staged, list(empty)


def _too_few_events(settings: Settings, state: Sequence[Path]) -> str:
    """Why there is no record at all."""
    n_events = pl.read_parquet(list(state))["open_items"].list.len().to_list() if state else []
    size = settings.records.slate_size
    return (
        f"records: no user has records.slate_size = {size} events: {len(n_events):,} users have at most {max(n_events, default=0)}; "
        "lower it, or wait for more events"
    )


def _sweep(warehouse: Warehouse) -> None:
    """Leave nothing staged once all is published: neither this run's nor what a dead one left. Only the writer stages these."""
    for kind in (KIND, "embeddings"):
        warehouse.staging.discard_all(kind)


def _with_meaning(
    changes: Changes, settings: Settings, stored: Mapping[str, Meaning], staged: Sequence[Staged], release_id: int
) -> Changes:
    """The changes, with what gives the rows their meaning from this release on."""
    own_time = next((one.counts_own_time for one in staged if one.counts_own_time is not None), None)
    kinds = staged[-1].kinds if staged else None
    now = meaning_of(settings.source, kinds, counts_own_time=own_time)
    rows = meaning_rows(stored, now, settings.source.name, release_id)
    return replace(changes, append={**changes.append, "source_meanings": rows})


def _warnings(warehouse: Warehouse, run: Run) -> list[str]:
    """What the audits that do not block found, a line each."""
    found = warehouse.query(
        "SELECT audit, unnest(examples) AS example FROM audits WHERE run_id = $run AND severity = 'warn' AND n_offenders > 0",
        {"run": run.run_id},
    )
    told = [(audit, json.loads(example)) for audit, example in found.iter_rows()]
    return [f"{audit}: {example.get('finding') or json.dumps(example)}" for audit, example in told]


def _changes(
    warehouse: Warehouse,
    source: str,
    run: Run,
    incumbent: Incumbent,
    staged: Sequence[Staged],
    tables: Tables,
    sids: SemanticIds,
    release_id: int,
) -> Changes:
    """Everything the release adds to the last one; rows that are as they were are left alone."""
    events = {file: (one.arrived.ingest_id,) for one in staged for file in one.files("events")}
    records = {file: (one.arrived.ingest_id,) for one in staged for file in one.files("records")}
    embeddings = _stage_embeddings(warehouse, sids, release_id)
    # Vectors fold in the records of all releases up to this one. Named are the records, not a release, which holds what comes of them.
    learned_from = f"records:{release_id}" if staged else records_up_to(warehouse, release_id)
    learned = [replace(one, inputs=(*one.inputs, learned_from)) for one in (*sids.simulators, sids.artifact)]
    artifacts = [*learned, *([_keep_state(warehouse, staged)] if staged else [])]
    return Changes(
        replace_files={"embeddings": [embeddings]},
        register={"events": list(events), "record_rows": list(records)},
        replace={
            "sid_missing": sids.missing.with_columns(release_id=pl.lit(release_id, pl.Int64)),
            "sid_waiting": sids.waiting,
        },
        upsert={
            "items": _changed(tables.items, incumbent.items),
            "users": _changed(tables.users, incumbent.users),
            "splits": _changed(tables.splits, incumbent.splits),
            "sid_history": sids.upserts,
            "codebooks": sids.new_codes,  # by key: a rebuild of what is there gives the same codebook
        },
        append={
            "sid_metrics": sids.metrics,
            **ingest_rows(staged, source, release_id, incumbent.n_ingests),
            "artifacts": artifact_rows(warehouse, artifacts, run, release_id),
        },
        file_inputs={**events, **records, embeddings: (sids.models.embedding_id, learned_from)},
    )


def _changed(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Rows that are new or not as they were."""
    return now.join(before, on=now.columns, how="anti", nulls_equal=True)


def _embeddings_name(sids: SemanticIds, release_id: int) -> str:
    return fingerprint(sids.models.embedding_id, release_id)


def _stage_embeddings(warehouse: Warehouse, sids: SemanticIds, release_id: int) -> Path:
    name = _embeddings_name(sids, release_id)
    warehouse.staging.discard("embeddings", name)  # of a run that was killed: cheap to write again, and perhaps not the same
    with warehouse.staging.writing("embeddings", name) as folder:
        sids.embeddings.write_parquet(folder / "embeddings.parquet")
    return warehouse.staging.path("embeddings", name) / "embeddings.parquet"


def _keep_state(warehouse: Warehouse, staged: Sequence[Staged]) -> Artifact:
    """The user states after the last delivery, from where the next night goes on."""
    name = staged[-1].folder.name
    with warehouse.artifacts.writing("user_state", name) as folder:
        for file in staged[-1].files("state"):
            os.link(file, folder / file.name)
    return Artifact("user_state", name, tuple(one.arrived.ingest_id for one in staged))


def _report(
    run: Run, release_id: int, staged: Sequence[Staged], tables: Tables, sids: SemanticIds, warnings: list[str]
) -> dict[str, Any]:
    rejects = pl.concat([one.frame("rejects") for one in staged]) if staged else REJECTS.empty()
    counts = [one.frame("counts").row(0, named=True) for one in staged]
    overall = sids.metrics.filter(pl.col("level") == 0)
    return {
        "status": "published",
        "run_id": run.run_id,
        "release_id": release_id,
        "deliveries": [one.arrived.delivery.id for one in staged],
        **{name: sum(count[name] for count in counts) for name in ("n_rows", "n_accepted", "n_rejected", "n_known", "n_records")},
        "rejected": dict(rejects["reason"].value_counts(sort=True).sort("count", "reason", descending=[True, False]).iter_rows()),
        "warnings": warnings,
        "n_users": tables.users.height,
        "n_items": tables.items.height,
        "records_in_all": int(tables.splits["n_records"].sum()),
        "train_records": int(tables.splits["n_train"].sum()),
        "codebook_id": sids.codebook.codebook_id,
        "tokenizer": {"mode": sids.mode, "why": list(sids.why)},
        "sid_changes": dict(sids.summary.rows()),
        "sid_metrics": dict(overall.select("metric", "value").rows()),
        "used_codes_share": sids.metrics.filter(pl.col("metric") == "used_codes_share").sort("level")["value"].to_list(),
        "seconds": run.seconds,
    }
