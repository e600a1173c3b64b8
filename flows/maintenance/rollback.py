"""Taking back a bad night: a new release with the Semantic IDs, codebooks and policies of an earlier one."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from flows.refresh.external_vectors import inputs_of_vectors
from flows.refresh.forgotten import Forgotten
from flows.runtime.resources import code_version
from flows.runtime.run import Run
from flows.runtime.run_outcome import record_run
from flows.stores.incumbent import LEFT_BEHIND
from flows.stores.models import of_codebook
from pipeline.contracts import CODEBOOKS, EMBEDDINGS, IS_OPEN, SID_HISTORY, SID_WAITING, open_rows
from pipeline.errors import WarehouseError
from pipeline.sids.codebook import Codebook
from pipeline.sids.metrics import ReleaseSids, sid_metrics
from pipeline.sids.restore import restore
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.config import WarehouseConfig
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.result_tables import POLICIES
from pipeline.warehouse.statements import statement
from pipeline.warehouse.tables import SID_MISSING, TABLES
from pipeline.warehouse.verify import require_intact
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class _Past:
    """What a rollback takes from the release it goes back to."""

    codebooks: pl.DataFrame
    policies: pl.DataFrame
    missing: pl.DataFrame
    waiting: pl.DataFrame
    embeddings: pl.DataFrame
    embedding_files: list[Path]
    embedding_inputs: tuple[str, ...]


@naming_damage
def rollback(root: Path, target: int, run: Run, engine: WarehouseConfig | None = None) -> dict[str, Any]:
    """Publish release ``target``'s Semantic IDs, codebooks and policies again, as a new release.

    Events, records, ledgers and everything measured stay; who was forgotten since does not come back. The releases in between stand in
    the view ``withdrawn``; what was trained in them is not used again. Vectors stay too, unless they are of another model than the old
    codebook; items that came later are without a Semantic ID until the next refresh.

    Raises:
        WarehouseError: there is no such release before the last one, its snapshot has expired, the last one brought it back already, or
            another run is writing.
        AuditError: what would become visible breaks a rule; nothing was published.
    """
    engine = engine or WarehouseConfig()
    with (
        Warehouse.open(root, engine.memory_limit_mb) as warehouse,
        warehouse.writer(run.run_id, engine.lock_timeout_seconds, run.say),
    ):
        last = warehouse.latest_release()
        warehouse.release(target)
        if last is None or target >= last.release_id:
            raise WarehouseError(
                f'{root}: release {target} is the last one already; name an earlier one: hsrl sql "from releases"'
            )
        before = "SELECT parent_id FROM releases WHERE release_id = $id"
        if last.kind == "rollback" and warehouse.query(before, {"id": last.release_id}).item() == target:
            raise WarehouseError(f"{root}: release {last.release_id}, the last one, has brought back release {target} already")
        require_intact(warehouse, tuple(TABLES))
        config = _config_of(warehouse, target)
        with record_run(warehouse, run, config) as outcome:
            release_id = last.release_id + 1
            with run.stage("read the release"):
                past = _without_forgotten(warehouse, _read(warehouse, target), release_id)
            inputs = (f"release:{target}", *past.codebooks["codebook_id"].unique().sort())
            seed = int(warehouse.query("SELECT seed FROM releases WHERE release_id = $id", {"id": target}).item())
            draft = ReleaseDraft(run.run_id, "rollback", code_version(), config, seed, inputs, restores=target)
            with run.stage("audits and publish"):
                changes = _changes(warehouse, past, target, release_id)
                warehouse.publish(draft, changes)
            warehouse.staging.discard_all("embeddings")
            outcome.release_id = release_id
        opened = changes.upsert["sid_history"].filter(IS_OPEN).height
        return {
            "status": "published",
            "release_id": release_id,
            "restores": target,
            "withdrawn": warehouse.query("SELECT release_id FROM withdrawn ORDER BY 1")["release_id"].to_list(),
            "sids_closed": changes.upsert["sid_history"].height - opened,
            "sids_opened": opened,
            "items_without_sid": changes.replace["sid_missing"].height,
            "policy": next(iter(past.policies.filter("is_published")["policy_id"]), None),
        }


def _config_of(warehouse: Warehouse, release_id: int) -> dict[str, Any]:
    """The settings that the Semantic IDs of a release were made with: of the last refresh (or rollback) that it is built upon."""
    rows = warehouse.query(statement("settings_behind_release"), {"id": release_id})
    config: dict[str, Any] = json.loads(rows.item()) if rows.height else {}
    return config


def _read(warehouse: Warehouse, target: int) -> _Past:
    with Warehouse.open_release(warehouse.root, target) as past:
        require_intact(past, tuple(TABLES))
        return _Past(
            past.read(CODEBOOKS, "FROM codebooks"),
            past.read(POLICIES, "FROM policies"),
            past.read(SID_MISSING, "FROM sid_missing"),
            past.read(SID_WAITING, "FROM sid_waiting"),
            past.read(EMBEDDINGS, "FROM embeddings"),
            past.files("embeddings"),
            tuple(sorted(inputs_of_vectors(past))),
        )


def _without_forgotten(warehouse: Warehouse, past: _Past, release_id: int) -> _Past:
    """What is taken from the earlier release, without items that were forgotten since; their vectors are written anew without these."""
    forgotten = Forgotten.of(warehouse)
    embeddings, waiting = forgotten.without(past.embeddings), forgotten.without(past.waiting)
    if embeddings.height == past.embeddings.height:
        return replace(past, waiting=waiting)
    name = fingerprint("rollback", release_id, *forgotten.parts)
    warehouse.staging.discard("embeddings", name)  # of a run that was killed: cheap to write again
    with warehouse.staging.writing("embeddings", name) as folder:
        embeddings.write_parquet(folder / "embeddings.parquet")
    files = [warehouse.staging.path("embeddings", name) / "embeddings.parquet"]
    return replace(past, waiting=waiting, embeddings=embeddings, embedding_files=files)


def _changes(warehouse: Warehouse, past: _Past, target: int, release_id: int) -> Changes:
    before = warehouse.read(SID_HISTORY, "FROM sid_history")
    upserts = restore(before, target, release_id)
    now = pl.concat([before.join(upserts, on=list(SID_HISTORY.key), how="anti"), upserts]).filter(IS_OPEN)
    vectors = warehouse.read(EMBEDDINGS, "FROM embeddings")
    keeps_vectors = set(vectors["embedding_id"]) == set(past.embeddings["embedding_id"])
    metrics = {}
    if past.codebooks.height and now.height:
        book = Codebook.from_frame(past.codebooks.filter(pl.col("codebook_id").is_in(now["codebook_id"].implode())))
        was_open = open_rows(before)
        used = of_codebook(vectors if keeps_vectors else past.embeddings, book.embedding_id)
        metrics = {"sid_metrics": sid_metrics(ReleaseSids(release_id, book, now, used, was_open))}
    return Changes(
        replace_files={} if keeps_vectors else {"embeddings": past.embedding_files},
        replace={
            "codebooks": past.codebooks,
            "policies": past.policies,
            "sid_missing": _missing(warehouse, past.missing, now, target, release_id),
            "sid_waiting": past.waiting,  # who waited then waits again; who else should is found by the next refresh
        },
        upsert={"sid_history": upserts},
        append=metrics,
        file_inputs={} if keeps_vectors else dict.fromkeys(past.embedding_files, past.embedding_inputs),
    )


def _missing(warehouse: Warehouse, then: pl.DataFrame, now: pl.DataFrame, target: int, release_id: int) -> pl.DataFrame:
    """SID_MISSING: the active items without an open row, with the reason they had, or that they came later."""
    active = warehouse.query("SELECT item_id FROM items WHERE is_active")
    return (
        active.join(now, on="item_id", how="anti")
        .join(then.select("item_id", "reason"), on="item_id", how="left")
        .select(
            "item_id",
            pl.col("reason").fill_null(f"{LEFT_BEHIND}{target}, which a rollback went back to"),
            release_id=pl.lit(release_id, pl.Int64),
        )
    )
