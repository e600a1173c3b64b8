"""Tracing: back to the raw file and its hash, forward to what depends on it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from flows.queries.trace_page import page
from pipeline.errors import QueryError
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.result_tables import POLICIES
from pipeline.warehouse.tables import ARTIFACTS, INGEST_FILES
from pipeline.warehouse.trace import Trace, trace
from pipeline.warehouse.warehouse import Warehouse

Night = Callable[[int], Changes]


@pytest.fixture
def root(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> Path:
    """Two nights with a raw file each, and a policy trained on the first release's codebook c."""
    warehouse.publish(draft, files(night(1), 1), audits=[])
    warehouse.publish(replace(draft, run_id="r2", inputs=("i2",)), files(night(2), 2), audits=[])
    warehouse.publish(replace(draft, run_id="r3", kind="retrain", inputs=("release:1", "c")), policy(), audits=[])
    return warehouse.root


def files(changes: Changes, n: int) -> Changes:
    raw = pl.DataFrame([(f"i{n}", f"day{n}.csv", f"hash{n}", 9)], schema=INGEST_FILES.schema, orient="row")
    return replace(changes, append={**changes.append, "ingest_files": raw})


def policy() -> Changes:
    row = {"policy_id": "p", "method": "hsrl", "preset": "calibrated", "seed": 1, "codebook_id": "c", "simulator_ids": [], "n_iterations": 1,
           "cpu_seconds": 1.0, "artifact_id": "p", "config": "{}", "is_published": True, "release_id": 3}  # fmt: skip
    stored = {"artifact_id": "p", "kind": "policy", "path": "artifacts/policy/p", "rows": None, "bytes": 1, "sha256": "hashp",
              "inputs": ["release:1"], "run_id": "r3", "release_id": 3, "created_at": pl.Series([0]).cast(pl.Datetime("us", "UTC"))[0]}  # fmt: skip
    return Changes(
        append={
            "policies": pl.DataFrame([row], schema=POLICIES.schema),
            "artifacts": pl.DataFrame([stored], schema=ARTIFACTS.schema),
        }
    )


def names(found: Trace, kind: str) -> set[str]:
    return {node.name for node in found.nodes.values() if node.kind == kind}


def test_an_item_leads_back_to_raw_files_and_forward_to_policies(root: Path) -> None:
    """Item 10 was shown on both days; its SID 0 of codebook c is what policy p speaks."""
    found = trace(root, "10")
    assert found.subject == "item:10"
    assert {node.sha256 for node in found.nodes.values() if node.kind == "raw file"} == {"hash1", "hash2"}
    assert (
        found.facts["events"] == 2
        and found.facts["positives"] == 2
        and found.facts["sid 1"].startswith("0 (slot 0) from release 1")
    )
    assert names(found, "semantic id") == {"0"} and names(found, "policy") == {"artifacts/policy/p"}
    assert names(found, "item") == {"Ten"}, "items beside it in the codebook are none of it"


def test_a_release_has_what_it_was_made_of_and_what_came_after(root: Path) -> None:
    found = trace(root, "release:2")
    assert names(found, "raw file") == {"day1.csv", "day2.csv"}
    assert "release:1" in found.inputs("release:2") and found.dependants("release:2") == ["release:3"]
    assert names(trace(root, "release:1"), "policy") == {"artifacts/policy/p"}


def test_a_policy_leads_back_through_the_release_it_learned_from(root: Path) -> None:
    found = trace(root, "p")
    assert names(found, "raw file") == {"day1.csv"}, "day 2 came after it had learned"
    assert found.facts["codebook_id"] == "c" and found.facts["is_published"] is True


def test_a_semantic_id_tells_its_items(root: Path) -> None:
    found = trace(root, "sid:1")
    assert names(found, "item") == {"Eleven's"} and found.facts == {"items now, codebook c": "11"}


def test_what_does_not_exist_is_said_with_what_could_be_asked(root: Path) -> None:
    with pytest.raises(QueryError, match="nothing called 'release:9', expected an item"):
        trace(root, "release:9")


def test_the_page_draws_everything_between_its_inputs_and_what_depends_on_it(root: Path) -> None:
    """Files of one kind share a box: raw, event, record and vector files; beside them two ingests and three releases."""
    drawn = page(trace(root, "release:2"))
    assert drawn.count("<rect") == 4 + 2 + 3
    for text in ("hash1", "day2.csv", "retrain by r3", "raw files × 2"):
        assert text in drawn
    assert "<script" not in drawn and "http-equiv='Content-Security-Policy'" in drawn


def test_items_are_called_by_their_raw_ids(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    """In a log of text ids the number of an item is a hash that nobody knows; it still finds the item, and so do both in a SID."""
    changes = night(1)
    items = changes.upsert["items"].with_columns(raw_id="sku-" + pl.col("raw_id"), title=pl.lit(None, pl.String))
    warehouse.publish(draft, replace(changes, upsert={**changes.upsert, "items": items}), audits=[])
    for subject in ("sku-10", "item:sku-10", "item:10", "10"):
        found = trace(warehouse.root, subject)
        assert (found.subject, found.nodes[found.subject].name) == ("item:sku-10", "sku-10")
    found = trace(warehouse.root, "sid:0")
    assert found.facts["items now, codebook c"] == "sku-10"
    assert {node.id for node in found.nodes.values() if node.kind == "item"} == {"item:sku-10"}
