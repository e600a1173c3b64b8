"""The catalogue test: learned on the first catalogue, judged on others, learned on where it says so."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from flows.study import plan
from flows.study.plan import StudyRequest
from flows.study.reproduce import reproduce
from flows.study.study import Stage, Study, Variant
from tests.flows.study.test_reproduce import Heard

pytestmark = pytest.mark.slow
STAGES = (Stage("first", 0.0), Stage("half", 0.5), Stage("half, learned on", 0.5, learns_on=True))


def test_policies_meet_a_catalogue_that_they_did_not_learn_on(
    refreshed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variants = (Variant("item", {"learner.method": "item_sasrec"}), Variant("tree", {"learner.method": "tpgr"}))
    study = Study("Moved", "A study.", variants=variants, first_name="HSRL", stages=STAGES)
    monkeypatch.setattr(plan, "STUDIES", {"moved": study})
    world, out = refreshed.copy(tmp_path), tmp_path / "out"
    report = reproduce(world.settings, world.root, Heard(), StudyRequest("moved", 1, 40, out))
    rows = pl.DataFrame(report["stages"], infer_schema_length=None)
    learned = rows.filter(~pl.col("is_reference"))
    assert learned.select("variant", "stage").rows() == [
        (name, stage.name) for name in ("HSRL", "item", "tree") for stage in STAGES
    ]
    first = learned.filter(pl.col("stage") == "first")
    assert first["change"].null_count() == 3
    # The change is beside the same policy on the first catalogue, and the last column beside HSRL's change.
    half = {row["variant"]: row for row in learned.filter(pl.col("stage") == "half").to_dicts()}
    base = dict(first.select("variant", "reward").rows())
    assert all(half[name]["change"] == pytest.approx(half[name]["reward"] - base[name]) for name in base)
    assert half["item"]["beside"] == pytest.approx(half["item"]["change"] - half["HSRL"]["change"])
    assert half["HSRL"]["beside"] is None
    assert {"random", "popular slate"} <= set(rows.filter("is_reference")["variant"])
    # One policy a method judged in two stages, another that learned on.
    found = "select count(distinct policy_id) from experiments where study = 'moved, {}' and kind <> 'reference'"
    assert world.ask(found.format("first")).item() == world.ask(found.format("half")).item() == 3
    shared = "select count(*) from (select policy_id from experiments where study = 'moved, first' and policy_id is not null intersect {})"
    same = "select policy_id from experiments where study = 'moved, {}'"
    assert world.ask(shared.format(same.format("half"))).item() == 3
    assert world.ask(shared.format(same.format("half, learned on"))).item() == 0
    assert "| HSRL | half |" in Path(report["files"][0]).read_text()
    assert Image.open(report["files"][2]).size[0] > 1000
    again = reproduce(world.settings, world.root, Heard(), StudyRequest("moved", 1, 40, out))
    assert again["stages"] == report["stages"]
