"""The published policy as a file: a program that knows only torch gives the service's scores."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from flows.queries import policy_export
from flows.queries.recommend import open_recommender
from tests.flows.conftest import World

pytestmark = pytest.mark.slow

# No module of this project; reads histories by raw ids, gives the log-scores of all items.
STRANGER = """
import json, sys, torch
extra = {"hsrl.json": ""}
policy = torch.jit.load(sys.argv[1], _extra_files=extra)
head = json.loads(extra["hsrl.json"])
number = {raw: place for place, raw in enumerate(head["raw_ids"], start=1)}
asked = json.loads(sys.argv[2])
history = torch.zeros(len(asked), head["history_length"], dtype=torch.int64)
for row, likes in enumerate(asked):
    for place, raw in enumerate(likes[-head["history_length"]:]):
        history[row, place] = number[raw]
with torch.no_grad():
    scores = policy(history, torch.zeros(len(asked), head["profile_width"]))
columns = torch.tensor(head["tokens"]) + torch.tensor(head["offsets"])
behind = list(zip(columns.clamp_min(0).tolist(), head["log_share"]))
items = [[sum(row[c] for c in of_item) + share for of_item, share in behind] for row in scores.tolist()]
print(json.dumps({"modules": [name for name in sys.modules if name.split(".")[0] in ("hsrl", "flows", "pipeline", "hsrl_train")],
                  "items": items, "raw_ids": head["raw_ids"], "is_shown": head["is_shown"]}))
"""


def test_a_program_without_our_code_scores_alike(retrained: World, hsrl: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "policy.pt"
    ran = hsrl("policy", "export", "--out", out, "--warehouse", retrained.root)
    assert (ran.code, ran.err) == (0, "") and "TorchScript" in ran.out
    histories: list[list[str]] = [[], ["3"], ["5", "9", "11"], [str(n) for n in range(1, 60)]]
    command = [sys.executable, "-c", STRANGER, str(out), json.dumps(histories)]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout)
    assert answer["modules"] == []
    recommender = open_recommender(retrained.root, 384)
    shown = [raw for raw, is_shown in zip(answer["raw_ids"], answer["is_shown"], strict=True) if is_shown]
    for likes, scores in zip(histories, answer["items"], strict=True):
        [ranked] = recommender.rank([recommender.request(history=likes, candidates=shown)])
        ours = dict(zip(recommender.table(ranked)["raw_id"], ranked.scores.tolist(), strict=True))
        theirs = dict(zip(answer["raw_ids"], scores, strict=True))
        assert {raw: theirs[raw] for raw in shown} == pytest.approx(ours, abs=1e-4)


def test_what_cannot_be_exported_is_one_line(
    retrained: World, refreshed: World, hsrl: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "policy.pt"
    assert "no policy is published" in hsrl("policy", "export", "--out", out, "--warehouse", refreshed.root).err
    assert not out.exists()
    out.write_text("mine")
    where = ("--out", out, "--warehouse", retrained.root)
    assert "is there already" in hsrl("policy", "export", *where).err and out.read_text() == "mine"
    monkeypatch.setattr(policy_export, "_difference", lambda *_: float("nan"))
    ran = hsrl("policy", "export", *where, "--overwrite")
    assert ran.code == 2 and "scores of the file differ by nan" in ran.err and out.read_text() == "mine"
    monkeypatch.undo()


def test_the_file_is_loaded_by_torch_as_what_it_is(retrained: World, tmp_path: Path) -> None:
    report = policy_export.export_published(retrained.root, tmp_path / "p.pt", 384)
    extra = {"hsrl.json": ""}
    torch.jit.load(str(tmp_path / "p.pt"), _extra_files=extra)
    head = json.loads(extra["hsrl.json"])
    assert head["policy_id"] == report["policy_id"] == retrained.report["policy_id"]
    assert len(head["raw_ids"]) == len(head["tokens"]) == len(head["is_shown"]) == len(head["log_share"])
