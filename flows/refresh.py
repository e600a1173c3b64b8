"""The flow daily-refresh: what is new in the raw logs → records → Semantic IDs → audits → one published release."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from flows.artifacts import Artifact, artifact_rows
from flows.brought import find_brought
from flows.feed import is_begun, missing_days, write_missing_days
from flows.incumbent import Incumbent, items_without_vector, read_incumbent
from flows.plan import forecast
from flows.recorded import Ending, recorded
from flows.run import Run, code_version
from flows.semantic_ids import SemanticIds, make_semantic_ids, make_splits
from flows.settings import Settings
from flows.staging import KIND, Arrived, Staged, arrived_deliveries, ingest_rows, stage_next
from flows.steps import Steps
from pipeline.errors import ConfigError
from pipeline.ingest.open import open_source
from pipeline.ingest.source import Source
from pipeline.warehouse.artifacts import bytes_of, fingerprint
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.verify import require_intact
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Wish:
    """What a person may ask of a refresh beside the configuration: days (both inclusive), a new tokenizer, only a plan."""

    first: date | None = None
    last: date | None = None
    rebuild: bool = False
    dry_run: bool = False

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
    source = open_source(settings.source, settings.ingest.chunk_rows)
    if wish.dry_run:
        return _plan(root, settings, source, wish)
    write_missing_days(settings.source)
    with (
        Warehouse.create_or_open(root, settings.engine.memory_limit_mb) as warehouse,
        warehouse.writer(run.run_id, settings.engine.lock_timeout_seconds, run.say),
        recorded(warehouse, run, settings.model_dump(mode="json")) as ending,
    ):
        return _refresh(warehouse, settings, source, run, steps, wish, ending)


def _plan(root: Path, settings: Settings, source: Source, wish: Wish) -> dict[str, Any]:
    """What a refresh would do; writes nothing, makes no warehouse and no feed."""
    to_make = [day.isoformat() for day in missing_days(settings.source) if wish.holds(day)]
    if Warehouse.is_at(root):
        with Warehouse.open_copy(root) as warehouse:
            incumbent = read_incumbent(warehouse, settings, rebuild=wish.rebuild)
            arrived = _arrived(settings, source, incumbent.known_hashes, wish)
            brought = find_brought(warehouse, settings, incumbent)
            told = forecast(warehouse, settings, incumbent, _bytes(arrived), len(to_make), brought)
    else:
        arrived, told, brought = _arrived(settings, source, frozenset(), wish), None, find_brought(None, settings, None)
    learns = told is None or told["mode"] == "learn"
    has_work = arrived or to_make or (brought is not None and brought.is_new)
    return {
        "status": "planned",
        "deliveries": [one.delivery.id for one in arrived],
        "to_generate": to_make,
        "bytes": _bytes(arrived),
        "tokenizer": "learn anew" if learns else told["mode"] if told and has_work else "nothing to do",
        "external": brought and {"file": str(brought.paths[0]), "width": brought.width, "is_new": brought.is_new},
        "forecast": told,
    }


def _arrived(settings: Settings, source: Source, known_hashes: frozenset[str], wish: Wish) -> list[Arrived]:
    return arrived_deliveries(source, known_hashes, wish.first, wish.last) if is_begun(settings.source) else []


def _bytes(arrived: Sequence[Arrived]) -> int:
    return sum(bytes_of(file) for one in arrived for file in one.delivery.files)


def _refresh(
    warehouse: Warehouse, settings: Settings, source: Source, run: Run, steps: Steps, wish: Wish, ending: Ending
) -> dict[str, Any]:
    with run.stage("check stored files"):
        require_intact(warehouse, ("record_rows", "user_state", "embedding_model"))
    incumbent = read_incumbent(warehouse, settings, rebuild=wish.rebuild)
    with run.stage("look for new files"):
        arrived = arrived_deliveries(source, incumbent.known_hashes, wish.first, wish.last)
        brought = find_brought(warehouse, settings, incumbent)
    has_vectors = incumbent.release is not None and brought is not None and brought.is_new
    if not arrived and not (wish.rebuild and incumbent.release) and not has_vectors and not items_without_vector(warehouse):
        _sweep(warehouse)
        run.say(f"nothing new: every raw file{wish.told} is in the warehouse already")
        return {"status": "nothing new", "run_id": run.run_id, "release_id": None}
    if brought is not None:
        brought.require_fit()
        if has_vectors:
            run.say(f"{brought.paths[0]}: vectors that no release was made from yet")
    staged: list[Staged] = []
    with run.stage("ingest and records") as tick:
        for one in arrived:
            staged.append(stage_next(warehouse, settings, source, incumbent, staged, one, run, steps))
            tick(len(staged), len(arrived))
    state = staged[-1].files("state") if staged else incumbent.state
    records = [*incumbent.records, *(file for one in staged for file in one.files("records"))]
    with run.stage("splits"):
        splits = steps.run("splits", make_splits, settings, state, records)
    items, users = (staged[-1].frame("items"), staged[-1].frame("users")) if staged else (incumbent.items, incumbent.users)
    tables = Tables(items, users, splits)
    release_id = warehouse.next_release_id()
    with run.stage("semantic ids") as tick:
        sids = steps.run(
            "semantic ids",
            make_semantic_ids,
            warehouse,
            settings,
            incumbent,
            items,
            users,
            splits,
            records,
            release_id,
            tick,
            brought,
        )
    if sids.coverage is not None and (sids.coverage.without or sids.coverage.unknown):
        run.say(f"vectors: {sids.coverage}")
    with run.stage("audits and publish"):
        files = brought.inputs if brought else ()
        inputs = (*(one.arrived.ingest_id for one in staged), *files, sids.models.embedding_id, sids.codebook.codebook_id)
        # By its kind the churn audit knows that someone asked for new Semantic IDs.
        kind = "rebuild" if wish.rebuild and incumbent.release else "refresh"
        draft = ReleaseDraft(run.run_id, kind, code_version(), settings.model_dump(mode="json"), settings.seed, inputs)
        changes = _changes(warehouse, source.name, run, incumbent, staged, tables, sids, release_id, files)
        steps.run("audits and publish", warehouse.publish, draft, changes)
    ending.release_id = release_id
    report = _report(run, release_id, staged, tables, sids)
    _sweep(warehouse)
    return report


def _sweep(warehouse: Warehouse) -> None:
    """Leave nothing staged once all is published: neither this run's nor what a dead one left. Only the writer stages these."""
    for kind in (KIND, "embeddings"):
        warehouse.staging.discard_all(kind)


def _changes(
    warehouse: Warehouse,
    source: str,
    run: Run,
    incumbent: Incumbent,
    staged: Sequence[Staged],
    tables: Tables,
    sids: SemanticIds,
    release_id: int,
    files: Sequence[str],
) -> Changes:
    """Everything the release adds to the last one; rows that are as they were are left alone."""
    events = {file: (one.arrived.ingest_id,) for one in staged for file in one.files("events")}
    records = {file: (one.arrived.ingest_id,) for one in staged for file in one.files("records")}
    embeddings = _stage_embeddings(warehouse, sids, release_id)
    ingests, ingest_files = ingest_rows(staged, source, release_id)
    # Vectors fold in the records of all releases up to this one.
    learned_from = (*(one.arrived.ingest_id for one in staged), *([f"release:{release_id - 1}"] if incumbent.release else []))
    model = replace(sids.artifact, inputs=(*sids.artifact.inputs, *learned_from))
    artifacts = [model, *([_keep_state(warehouse, staged)] if staged else [])]
    return Changes(
        replace_files={"embeddings": [embeddings]},
        register={"events": list(events), "record_rows": list(records)},
        replace={"sid_missing": sids.missing.with_columns(release_id=pl.lit(release_id, pl.Int64))},
        upsert={
            "items": _changed(tables.items, incumbent.items),
            "users": _changed(tables.users, incumbent.users),
            "splits": _changed(tables.splits, incumbent.splits),
            "sid_history": sids.upserts,
            "codebooks": sids.new_codes,  # by key: a rebuild of what is there gives the same codebook
        },
        append={
            "sid_metrics": sids.metrics,
            "ingests": ingests,
            "ingest_files": ingest_files,
            "artifacts": artifact_rows(warehouse, artifacts, run, release_id),
        },
        file_inputs={**events, **records, embeddings: (sids.models.embedding_id, *files, *learned_from)},
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


def _report(run: Run, release_id: int, staged: Sequence[Staged], tables: Tables, sids: SemanticIds) -> dict[str, Any]:
    counts = [one.frame("counts").row(0, named=True) for one in staged]
    overall = sids.metrics.filter(pl.col("level") == 0)
    return {
        "status": "published",
        "run_id": run.run_id,
        "release_id": release_id,
        "deliveries": [one.arrived.delivery.id for one in staged],
        **{name: sum(count[name] for count in counts) for name in ("n_rows", "n_accepted", "n_rejected", "n_known", "n_records")},
        "n_users": tables.users.height,
        "n_items": tables.items.height,
        "records_in_all": int(tables.splits["n_records"].sum()),
        "train_records": int(tables.splits["n_train"].sum()),
        "codebook_id": sids.codebook.codebook_id,
        "tokenizer": {"mode": sids.mode, "why": list(sids.why)},
        "external": sids.coverage and asdict(sids.coverage),
        "sid_changes": dict(sids.summary.rows()),
        "sid_metrics": dict(overall.select("metric", "value").rows()),
        "used_codes_share": sids.metrics.filter(pl.col("metric") == "used_codes_share").sort("level")["value"].to_list(),
        "seconds": run.seconds,
    }
