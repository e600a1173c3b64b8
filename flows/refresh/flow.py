"""The flow daily-refresh: what is new in the raw logs → records → Semantic IDs → audits → one published release."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.refresh.feed import write_missing_days
from flows.refresh.forgotten import Forgotten
from flows.refresh.ingest_rows import rows_of_deliveries
from flows.refresh.meaning import stored_meaning
from flows.refresh.release_inputs import ReleaseInputs, gather_inputs
from flows.refresh.request import RefreshRequest
from flows.refresh.requeued import brings_nothing
from flows.refresh.search import Search
from flows.refresh.staging import KIND, StagingNight, stage_deliveries
from flows.runtime.context import RunContext
from flows.runtime.resources import code_version
from flows.runtime.run import Run
from flows.runtime.run_outcome import record_run
from flows.runtime.settings import Settings
from flows.runtime.steps import Steps
from flows.stores.incumbent import Incumbent, items_left_behind, read_incumbent, require_same_settings
from pipeline.contracts import REJECTS
from pipeline.ingest.meaning import require_acceptable, require_same_meaning
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.release import ReleaseDraft
from pipeline.warehouse.statements import statement
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.verify import require_intact, require_whole_or_gone
from pipeline.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from flows.refresh.semantic_ids import SemanticIds

# What embeds items and decides Semantic IDs is loaded where it is used: a run that finds nothing new, as most do where one is begun
# every hour, would wait longer for it than for all that it does.
_COUNTED = ("n_rows", "n_accepted", "n_rejected", "n_known", "n_late", "n_rebuilt", "n_records")


@naming_damage
def refresh(settings: Settings, root: Path, run: Run, steps: Steps, request: RefreshRequest | None = None) -> dict[str, Any]:
    """Bring the warehouse up to date with the raw logs.

    Holds the writer's lock from reading the incumbent to the commit. What is staged stays until it is published, so that a run
    that was killed is not repeated but continued.

    Returns:
        What was done, as plain values.

    Raises:
        HsrlError: whatever a person can mend; nothing was published then.
    """
    request = request or RefreshRequest()
    if request.again == "quarantined":
        Warehouse.open_copy(root).close()  # there must be one: rows in quarantine are taken in again
    require_acceptable(settings.source, request.accept)
    source = settings.source.open(settings.ingest.chunk_rows, settings.ingest.quarantine_limit)
    search = Search(source, request.days, settings.ingest.settle_hours, settings.embeddings, request.again)
    # What a run used is saved with it: the settings, and the changes that were accepted.
    config = {**settings.model_dump(mode="json"), **({"accepted": list(request.accept)} if request.accept else {})}
    if request.dry_run:
        from flows.refresh.dry_run import plan_refresh

        return plan_refresh(root, search, request, settings.sids, config)
    with (
        Warehouse.create_or_open(root, settings.engine.memory_limit_mb, settings.engine.storage) as warehouse,
        warehouse.writer(run.run_id, settings.engine.lock_timeout_seconds, run.say),
        record_run(warehouse, run, config) as outcome,
    ):
        with run.stage("raw logs"):
            write_missing_days(settings.source)
        report = _bring_up_to_date(RunContext(warehouse, run, steps), settings, search, request, config)
        outcome.release_id = report["release_id"]
        # All is published, so nothing staged is needed: neither this run's nor what killed runs left. Only the writer stages these.
        for kind in (KIND, "embeddings", "rest"):
            warehouse.staging.discard_all(kind)
        if report["release_id"] is not None:
            from flows.refresh.likes import discard_older_sums

            discard_older_sums(warehouse)
        return report


def _bring_up_to_date(
    context: RunContext, settings: Settings, search: Search, request: RefreshRequest, config: dict[str, Any]
) -> dict[str, Any]:
    """Stage what is new, make Semantic IDs, and publish a release; or report that nothing is new."""
    warehouse, run, steps = context.warehouse, context.run, context.steps
    with run.stage("look for new files"):
        require_same_settings(warehouse, config, rebuild=request.rebuild)
        stored = stored_meaning(warehouse, search.source.name)
        require_same_meaning(stored, settings.source, request.accept)
        found = search.run(warehouse, rebuild=request.rebuild)
        found.hashes.save()
    if not (found.deliveries or found.has_new_vectors or request.rebuild or items_left_behind(warehouse)):
        return _nothing_new(run, request, [])
    incumbent = _incumbent(context, settings.sids.tombstone_nights, rebuild=request.rebuild)
    external, is_first = found.external, incumbent.release is None
    has_new_vectors, is_rebuild = found.has_new_vectors and not is_first, request.rebuild and not is_first
    if external is not None and (found.deliveries or request.rebuild or has_new_vectors):
        external.require_fit()
    with run.stage("ingest and records") as tick:
        night = StagingNight(
            context, search.source, settings.ingest, settings.records, incumbent, stored, Forgotten.of(warehouse)
        )
        staged, passed_over = stage_deliveries(night, found.deliveries, tick)
    has_other_work = is_rebuild or has_new_vectors or items_left_behind(warehouse)
    if not (staged or has_other_work):
        return _nothing_new(run, request, passed_over)
    if request.may_bring_nothing and not has_other_work and brings_nothing(warehouse, staged, incumbent.tables):
        run.say("nothing new: the same rows are refused for the same reasons")
        return _report_nothing(run, passed_over)
    if external is not None and has_new_vectors:
        run.say(f"{external.paths[0]}: vectors that no release was made from yet")

    from flows.refresh.release_changes import changes_of
    from flows.refresh.semantic_ids import make_semantic_ids

    with run.stage("splits"):
        release_id = warehouse.next_release_id()
        inputs = steps.run("splits", gather_inputs, release_id, settings.records, incumbent, staged, external)
    with run.stage("semantic ids") as tick:
        sids = steps.run("semantic ids", make_semantic_ids, warehouse, settings.semantic_ids(steps.cluster), inputs, tick)
    if sids.coverage is not None and (sids.coverage.without or sids.coverage.unknown):
        run.say(f"vectors: {sids.coverage}")
    with run.stage("audits and publish"):
        made_from = (*inputs.ingest_ids, *inputs.external_inputs, sids.models.embedding_id, sids.decision.codebook.codebook_id)
        # By its kind the churn audit knows that a person asked for new Semantic IDs.
        kind = "rebuild" if is_rebuild else "refresh"
        draft = ReleaseDraft(run.run_id, kind, code_version(), config, settings.seed, made_from)
        deliveries = rows_of_deliveries(inputs, settings.source, stored)
        steps.run("audits and publish", warehouse.publish, draft, changes_of(warehouse, run.run_id, inputs, sids, deliveries))
    return _report(context, inputs, sids) | {"passed_over": passed_over}


def _incumbent(context: RunContext, tombstone_nights: int, *, rebuild: bool) -> Incumbent:
    """The last release, once its stored files are known to be whole; ``rebuild``: whether a new codebook is to be learned."""
    warehouse, run, model = context.warehouse, context.run, ("embedding_model",)
    with run.stage("check stored files"):
        require_intact(warehouse, (*TABLES, "user_state", "like_sums", *(() if rebuild else model)))
        if rebuild:
            require_whole_or_gone(warehouse, model)
    with run.stage("read the last release"):
        return read_incumbent(warehouse, tombstone_nights, rebuild=rebuild)


def _nothing_new(run: Run, request: RefreshRequest, passed_over: list[str]) -> dict[str, Any]:
    """The report where no release is to be made."""
    run.say(request.nothing_new(len(passed_over)))
    return _report_nothing(run, passed_over)


def _report_nothing(run: Run, passed_over: list[str]) -> dict[str, Any]:
    return {"status": "nothing new", "run_id": run.run_id, "release_id": None, "passed_over": passed_over}


def _report(context: RunContext, inputs: ReleaseInputs, sids: "SemanticIds") -> dict[str, Any]:
    """What was published, as plain values."""
    staged, tables, decision = inputs.staged, inputs.tables, sids.decision
    rejects = pl.concat([delivery.frame("rejects") for delivery in staged]) if staged else REJECTS.empty()
    counts = [delivery.frame("counts").row(0, named=True) for delivery in staged]
    overall = decision.metrics.filter(pl.col("level") == 0)
    return {
        "status": "published",
        "run_id": context.run.run_id,
        "release_id": inputs.release_id,
        "deliveries": [delivery.new.delivery.id for delivery in staged],
        **{name: sum(count[name] for count in counts) for name in _COUNTED},
        "rejected": dict(rejects["reason"].value_counts(sort=True).sort("count", "reason", descending=[True, False]).iter_rows()),
        "warnings": _warnings(context),
        "n_users": tables.users.height,
        "n_items": tables.items.height,
        "records_in_all": int(tables.splits["n_records"].sum()),
        "train_records": int(tables.splits["n_train"].sum()),
        "codebook_id": decision.codebook.codebook_id,
        "tokenizer": {"mode": decision.mode, "why": list(decision.why)},
        "external": sids.coverage and asdict(sids.coverage),
        "sid_changes": dict(decision.changes.summary.rows()),
        "sid_metrics": dict(overall.select("metric", "value").rows()),
        "used_codes_share": decision.metrics.filter(pl.col("metric") == "used_codes_share").sort("level")["value"].to_list(),
        "seconds": context.run.seconds,
    }


def _warnings(context: RunContext) -> list[str]:
    """What the audits that do not block found, a line each."""
    found = context.warehouse.query(statement("audit_warnings"), {"run": context.run.run_id})
    examples = [(audit, json.loads(example)) for audit, example in found.iter_rows()]
    return [f"{audit}: {example.get('finding') or json.dumps(example)}" for audit, example in examples]
