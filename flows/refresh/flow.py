"""The flow daily-refresh: what is new in the raw logs → records → Semantic IDs → audits → one published release."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from flows.refresh.external_vectors import ExternalFiles, find_external_files
from flows.refresh.feed import missing_days, write_missing_days
from flows.refresh.forecast import forecast
from flows.refresh.meaning import stored_meaning
from flows.refresh.release_changes import Tables, changes_of, with_meaning
from flows.refresh.semantic_ids import SemanticIds, make_semantic_ids, make_splits
from flows.refresh.staging import (
    KIND,
    Days,
    KnownFiles,
    NewDelivery,
    StagedDelivery,
    StagingNight,
    new_deliveries,
    stage_deliveries,
)
from flows.runtime.resources import code_version
from flows.runtime.run import Run
from flows.runtime.run_outcome import RunOutcome, record_run
from flows.runtime.settings import Settings
from flows.runtime.steps import Steps
from flows.stores.incumbent import Incumbent, items_left_behind, read_incumbent
from pipeline.contracts import REJECTS
from pipeline.errors import ConfigError, SourceError
from pipeline.ingest.meaning import Meaning, require_acceptable, require_same_meaning
from pipeline.ingest.source import Source
from pipeline.warehouse.artifacts import bytes_of
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.release import ReleaseDraft
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.verify import require_intact, require_whole_or_gone
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class RefreshRequest:
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

    @property
    def days(self) -> Days:
        """The days that are meant."""
        return Days(self.first, self.last)


@dataclass(frozen=True)
class Found:
    """What a release is made of: what was there, what the source's settings mean, and what is new."""

    incumbent: Incumbent
    stored: Mapping[str, Meaning]
    staged: Sequence[StagedDelivery]
    external: ExternalFiles | None


@naming_damage
def refresh(settings: Settings, root: Path, run: Run, steps: Steps, wish: RefreshRequest | None = None) -> dict[str, Any]:
    """Bring the warehouse up to date with the raw logs.

    Holds the writer's lock from reading the incumbent to the commit. What is staged stays until it is published, so that a run
    that was killed is not repeated but continued.

    Returns:
        What was done, as plain values.

    Raises:
        HsrlError: whatever a person can mend; nothing was published then.
    """
    wish = wish or RefreshRequest()
    require_acceptable(settings.source, wish.accept)
    source = settings.source.open(settings.ingest.chunk_rows, settings.ingest.quarantine_limit)
    if wish.dry_run:
        return _plan(root, settings, source, wish)
    with (
        Warehouse.create_or_open(root, settings.engine.memory_limit_mb) as warehouse,
        warehouse.writer(run.run_id, settings.engine.lock_timeout_seconds, run.say),
        record_run(warehouse, run, _config(settings, wish)) as ending,
    ):
        with run.stage("raw logs"):
            write_missing_days(settings.source)
        return _refresh(warehouse, settings, source, run, steps, wish, ending)


def _config(settings: Settings, wish: RefreshRequest) -> dict[str, Any]:
    """The settings, and the changes that were accepted."""
    return {**settings.model_dump(mode="json"), **({"accepted": list(wish.accept)} if wish.accept else {})}


def _plan(root: Path, settings: Settings, source: Source, wish: RefreshRequest) -> dict[str, Any]:
    """What a refresh would do; writes nothing, makes no warehouse and no feed."""
    to_make = [day.isoformat() for day in missing_days(settings.source) if wish.days.holds(day)]
    if Warehouse.is_at(root):
        with Warehouse.open_copy(root) as warehouse:
            incumbent = read_incumbent(warehouse, settings, rebuild=wish.rebuild)
            require_same_meaning(stored_meaning(warehouse, source.name), settings.source, wish.accept)
            arrived = _new_deliveries(settings, source, _known_files(incumbent), wish)
            external = find_external_files(settings.embeddings, warehouse, incumbent.codebook)
            n_left_behind = items_left_behind(warehouse)
            told = forecast(warehouse, settings, incumbent, _bytes(arrived), len(to_make), external)
    else:
        Warehouse.require_room(root)
        arrived, told, external = (
            _new_deliveries(settings, source, KnownFiles(), wish),
            None,
            find_external_files(settings.embeddings, None, None),
        )
        n_left_behind = 0
    learns = told is None or told["mode"] == "learn"
    has_work = arrived or to_make or (external is not None and external.is_new) or n_left_behind
    return {
        "status": "planned",
        "deliveries": [one.delivery.id for one in arrived],
        "to_generate": to_make,
        "bytes": _bytes(arrived),
        "tokenizer": "learn anew" if learns else told["mode"] if told and has_work else "nothing to do",
        "external": external and {"file": str(external.paths[0]), "width": external.width, "is_new": external.is_new},
        "forecast": told,
    }


def _new_deliveries(settings: Settings, source: Source, known: KnownFiles, wish: RefreshRequest) -> list[NewDelivery]:
    if not settings.source.is_begun():
        return []
    return new_deliveries(source, known, wish.days, settings.ingest.settle_hours)


def _known_files(incumbent: Incumbent) -> KnownFiles:
    return KnownFiles(incumbent.known_hashes, incumbent.waiting_hashes)


def _bytes(arrived: Sequence[NewDelivery]) -> int:
    return sum(bytes_of(file) for one in arrived for file in one.delivery.files)


def _refresh(
    warehouse: Warehouse, settings: Settings, source: Source, run: Run, steps: Steps, wish: RefreshRequest, ending: RunOutcome
) -> dict[str, Any]:
    with run.stage("check stored files"):
        require_intact(warehouse, (*TABLES, "user_state"))
        (require_whole_or_gone if wish.rebuild else require_intact)(warehouse, ("embedding_model",))
    with run.stage("read the last release"):
        incumbent = read_incumbent(warehouse, settings, rebuild=wish.rebuild)
    stored = stored_meaning(warehouse, source.name)
    require_same_meaning(stored, settings.source, wish.accept)
    with run.stage("look for new files"):
        arrived = _new_deliveries(settings, source, _known_files(incumbent), wish)
        external = find_external_files(settings.embeddings, warehouse, incumbent.codebook)
    has_vectors = incumbent.release is not None and external is not None and external.is_new
    if external is not None and (arrived or wish.rebuild or has_vectors):
        external.require_fit()
    night = StagingNight(warehouse, run, steps, source, settings.ingest, settings.records, incumbent, stored)
    with run.stage("ingest and records") as tick:
        staged, passed_over = stage_deliveries(night, arrived, tick)
    if not staged and not (wish.rebuild and incumbent.release) and not has_vectors and not items_left_behind(warehouse):
        _sweep(warehouse)
        but = f" but for {len(passed_over)} without rows" if passed_over else ""
        run.say(f"nothing new: every raw file{wish.told} is in the warehouse already{but}")
        return {"status": "nothing new", "run_id": run.run_id, "release_id": None, "passed_over": passed_over}
    if external is not None and has_vectors:
        run.say(f"{external.paths[0]}: vectors that no release was made from yet")
    found = Found(incumbent, stored, staged, external)
    report = _make_release(warehouse, settings, source, run, steps, wish, found)
    ending.release_id = report["release_id"]
    _sweep(warehouse)
    return report | {"passed_over": passed_over}


def _make_release(
    warehouse: Warehouse, settings: Settings, source: Source, run: Run, steps: Steps, wish: RefreshRequest, found: Found
) -> dict[str, Any]:
    """Splits, Semantic IDs, audits, commit; and what was done."""
    incumbent, staged, external = found.incumbent, found.staged, found.external
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
            external,
        )
    if sids.coverage is not None and (sids.coverage.without or sids.coverage.unknown):
        run.say(f"vectors: {sids.coverage}")
    with run.stage("audits and publish"):
        files = external.inputs if external else ()
        inputs = (*(one.new.ingest_id for one in staged), *files, sids.models.embedding_id, sids.codebook.codebook_id)
        # By its kind the churn audit knows that someone asked for new Semantic IDs.
        kind = "rebuild" if wish.rebuild and incumbent.release else "refresh"
        draft = ReleaseDraft(run.run_id, kind, code_version(), _config(settings, wish), settings.seed, inputs)
        changes = changes_of(warehouse, source.name, run, incumbent, staged, tables, sids, release_id, files)
        changes = with_meaning(changes, settings, found.stored, staged, release_id)
        steps.run("audits and publish", warehouse.publish, draft, changes)
    return _report(run, release_id, staged, tables, sids, _warnings(warehouse, run))


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


def _warnings(warehouse: Warehouse, run: Run) -> list[str]:
    """What the audits that do not block found, a line each."""
    found = warehouse.query(
        "SELECT audit, unnest(examples) AS example FROM audits WHERE run_id = $run AND severity = 'warn' AND n_offenders > 0",
        {"run": run.run_id},
    )
    told = [(audit, json.loads(example)) for audit, example in found.iter_rows()]
    return [f"{audit}: {example.get('finding') or json.dumps(example)}" for audit, example in told]


def _report(
    run: Run, release_id: int, staged: Sequence[StagedDelivery], tables: Tables, sids: SemanticIds, warnings: list[str]
) -> dict[str, Any]:
    rejects = pl.concat([one.frame("rejects") for one in staged]) if staged else REJECTS.empty()
    counts = [one.frame("counts").row(0, named=True) for one in staged]
    overall = sids.metrics.filter(pl.col("level") == 0)
    return {
        "status": "published",
        "run_id": run.run_id,
        "release_id": release_id,
        "deliveries": [one.new.delivery.id for one in staged],
        **{name: sum(count[name] for count in counts) for name in ("n_rows", "n_accepted", "n_rejected", "n_known", "n_records")},
        "rejected": dict(rejects["reason"].value_counts(sort=True).sort("count", "reason", descending=[True, False]).iter_rows()),
        "warnings": warnings,
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
