"""Whatever of a warehouse is missing or not as it was written: every command says it in one line, and nothing is built upon it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.warehouse import gc
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.warehouse import Warehouse
from tests.flows.conftest import Printed, World
from tests.support import small_feed as feed

pytestmark = pytest.mark.slow
HARMS = {
    "gone": lambda content: None,
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: (
        content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]
    ),
    "empty": lambda content: b"",
}


@pytest.fixture
def root(two_days: Path, tmp_path: Path) -> Path:
    shutil.copytree(two_days, tmp_path, dirs_exist_ok=True)
    return tmp_path / "w"


def harm(root: Path, kind: str, how: str) -> Path:
    """Harm the newest stored file of a kind; return it."""
    with Warehouse.open_copy(root) as warehouse:
        stored = root / warehouse.query("SELECT max(path) FROM artifacts WHERE kind = $kind", {"kind": kind}).item()
    file = stored if stored.is_file() else sorted(stored.iterdir())[0]
    content = HARMS[how](file.read_bytes())
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    return file


def refusal(ran: Printed) -> str:
    assert ran.code == 2, (ran.out, ran.err)
    last = ran.err.strip().splitlines()[-1]
    assert last.startswith("hsrl: ") and "Traceback" not in ran.err
    return last


@pytest.mark.parametrize(
    ("kind", "how"), [("events", "gone"), ("events", "flipped"), ("embeddings", "cut"), ("record_rows", "empty")]
)
def test_a_refresh_names_the_damaged_file_and_publishes_nothing(
    root: Path, hsrl: Callable[..., Any], kind: str, how: str
) -> None:
    file = harm(root, kind, how)
    line = refusal(hsrl("refresh", "--config", feed.config_of(root, 3), "--warehouse", root))
    assert file.name in line and "docs/recovery.md" in line
    assert run_sql(root, "SELECT max(release_id) FROM releases").item() == 1


COMMANDS = {
    "sql": ["sql", "SELECT sum(feedback), sum(user_seq), sum(item_id), sum(user_id) FROM events"],
    "trace": ["trace", "item:1"],
    "rank": ["rank", "requests.jsonl", "--out", "ranked.jsonl", "--config", "{config}"],
    "retrain": ["retrain", "--config", "{config}"],
    "rollback": ["rollback", "1"],
    "gc": ["gc"],
    "refresh": ["refresh", "--config", "{config}"],
    "verify": ["verify"],
}


@pytest.mark.parametrize("how", ["gone", "cut"])
@pytest.mark.parametrize("command", ["sql", "trace", "retrain", "verify"])
def test_every_command_that_reads_a_damaged_file_says_so_in_a_line(
    root: Path, hsrl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, command: str, how: str
) -> None:
    files = [harm(root, "events", how), harm(root, "embeddings", how)]
    config = feed.config_of(root, 3)
    monkeypatch.chdir(root.parent)
    words = [word.format(config=config) for word in COMMANDS[command]]
    line = refusal(hsrl(*words, "--warehouse", root))
    assert any(file.name in line for file in files), line


@pytest.mark.parametrize(("table", "how"), [("artifacts", "gone"), ("artifacts", "cut"), ("items", "gone")])
def test_a_lost_file_of_a_small_table_is_named_by_all_who_read_it(
    root: Path, hsrl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, table: str, how: str
) -> None:
    """Gc moves rows of small tables into files, those that say what is stored among them; here it does so with the first row."""
    monkeypatch.setattr(gc, "INLINE_ROWS", 0)
    assert hsrl("gc", "--warehouse", root).code == 0
    [file] = (root / "data" / "main" / table).glob("ducklake-*.parquet")
    content = file.read_bytes()
    file.unlink()
    if how == "cut":
        file.write_bytes(content[: len(content) // 2])
    config = feed.config_of(root, 3)
    for words in (["verify"], ["verify", "--drill"], ["refresh", "--config", config], ["retrain", "--config", config]):
        assert file.name in refusal(hsrl(*words, "--warehouse", root)), words
    for words in (
        ["status"],
        ["trace", "item:1"],
        ["doctor", "--config", config],
        ["sids", "export", "--out", root.parent / "s.csv"],
    ):
        ran = hsrl(*words, "--warehouse", root)  # who does not read the table need not notice
        assert "Traceback" not in ran.err and (ran.code == 0 or file.name in ran.err + ran.out), words


@pytest.mark.parametrize("command", ["sql", "status", "trace", "refresh", "gc", "rollback", "retrain", "verify", "draw"])
@pytest.mark.parametrize("how", ["gone", "empty"])
def test_without_a_catalogue_and_its_copies_every_command_says_so_in_a_line(
    root: Path, hsrl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, command: str, how: str
) -> None:
    for copy in [root / "catalog.sqlite", root / "readers.sqlite", *(root / "readers").iterdir()]:
        copy.unlink()
        if how == "empty":
            copy.touch()
    monkeypatch.chdir(root.parent)
    words = [word.format(config=feed.config_of(root, 3)) for word in COMMANDS.get(command, [command])]
    before = set(root.rglob("*.parquet"))
    line = refusal(hsrl(*words, "--warehouse", root))
    assert "catalog" in line, line
    assert set(root.rglob("*.parquet")) == before and not (root.parent / "sids.png").exists()


def test_encode_does_not_tell_differences_by_vectors_of_another_night(
    root: Path, hsrl: Callable[..., Any], tmp_path: Path
) -> None:
    """A whole Parquet file in the place of another: no library notices, and its vectors say why an item has another Semantic ID."""
    query = "select item_id, embedding_id, vector from embeddings where embedding_id in (select embedding_id from codebooks)"
    run_sql(root, query).write_parquet(tmp_path / "vectors.parquet")
    newest, other = sorted(root.glob("data/main/embeddings/*/*"))[-1], sorted(root.glob("data/main/events/*/*"))[0]
    newest.unlink()
    shutil.copy(other, newest)
    ran = hsrl("encode", tmp_path / "vectors.parquet", "--out", tmp_path / "sids.parquet", "--warehouse", root)
    assert ran.code == 2 and "not the bytes that were written" in ran.err and not (tmp_path / "sids.parquet").exists()


def test_a_damaged_embedding_model_is_mended_as_the_line_says(root: Path, hsrl: Callable) -> None:
    """It is refused as long as it is there, as a new one of the same name would be taken for whole; removed, a rebuild makes another."""
    words = ("refresh", "--config", feed.config_of(root, 3), "--warehouse", root)
    (model,) = root.glob("artifacts/embedding_model/*")
    next(model.iterdir()).write_bytes(b"x")
    for more in ((), ("--rebuild",)):
        assert "or remove it and make new Semantic IDs with: hsrl refresh --rebuild" in refusal(hsrl(*words, *more))
    shutil.rmtree(model)
    assert "missing" in refusal(hsrl(*words))
    assert hsrl(*words, "--rebuild").code == 0
    assert hsrl("verify", "--warehouse", root).code == 0


def test_a_damaged_policy_is_mended_as_the_line_says(retrained: World, hsrl: Callable[..., Any], tmp_path: Path) -> None:
    """From the same release comes the same policy, to the byte."""
    world = retrained.copy(tmp_path)
    words = ("retrain", "--config", world.config, "--warehouse", world.root)
    policy = world.root / "artifacts" / "policy" / retrained.report["policy_id"]
    (policy / "policy.safetensors").write_bytes(b"x")
    assert "or remove it and train it anew with: hsrl retrain" in refusal(hsrl(*words))
    shutil.rmtree(policy)
    ran = hsrl(*words)
    assert ran.code == 0 and f"published policy {policy.name} is gone from artifacts/" in ran.out
    assert hsrl("verify", "--warehouse", world.root).code == 0
