"""What lies in the store is complete, and lies inside the store."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from pipeline.errors import WarehouseError
from pipeline.warehouse.artifacts import ArtifactStore, bytes_of, fingerprint, sha256_of

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


def test_an_artifact_appears_whole(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with store.writing("policy", "f1") as folder:
        (folder / "weights").write_bytes(b"123")
        assert not store.exists("policy", "f1")
    assert store.exists("policy", "f1")
    assert bytes_of(store.path("policy", "f1")) == 3
    store.discard("policy", "f1")
    assert not store.exists("policy", "f1")


def test_a_failed_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ArtifactStore(tmp_path).writing("policy", "f1") as folder:
        (folder / "weights").write_bytes(b"1")
        _ = 1 / 0
    assert list((tmp_path / "policy").iterdir()) == []


def test_what_a_dead_process_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "policy" / ".f1.draft").mkdir(parents=True)
    (tmp_path / "policy" / ".f1.draft" / "half").touch()
    with ArtifactStore(tmp_path).writing("policy", "f1") as folder:
        assert list(folder.iterdir()) == []


def test_an_artifact_that_is_there_is_kept(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    for content in ("first", "second"):
        with store.writing("policy", "f1") as folder:
            (folder / "weights").write_text(content)
    assert (store.path("policy", "f1") / "weights").read_text() == "first"


@pytest.mark.parametrize("part", ["..", "a/b", "", "/etc", ".hidden", "a\x00b"])
def test_no_name_leads_out_of_the_store(tmp_path: Path, part: str) -> None:
    store = ArtifactStore(tmp_path)
    for kind, name in ((part, "f1"), ("policy", part)):
        with pytest.raises(WarehouseError, match="expected letters, digits"):
            store.path(kind, name)


def test_the_hash_of_a_folder_tells_names_and_contents_apart(tmp_path: Path) -> None:
    hashes = set()
    for i, files in enumerate([{"a": "1"}, {"b": "1"}, {"a": "2"}, {"a": "1", "b": ""}]):
        for name, text in files.items():
            path = tmp_path / str(i) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        hashes.add(sha256_of(tmp_path / str(i)))
    assert len(hashes) == 4


@given(PLAIN, PLAIN)
def test_equal_parts_and_only_they_have_equal_fingerprints(first: object, other: object) -> None:
    assert (fingerprint(first) == fingerprint(other)) == (repr(_sorted(first)) == repr(_sorted(other)))


def _sorted(part: object) -> object:
    if isinstance(part, dict):
        return {key: _sorted(part[key]) for key in sorted(part)}
    return [_sorted(inner) for inner in part] if isinstance(part, list) else part


def test_a_fingerprint_is_the_same_in_another_process() -> None:
    source = "from pipeline.warehouse.artifacts import fingerprint; print(fingerprint('a', {'y': 1, 'x': [2.5]}), end='')"
    ran = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(Path.cwd())}
    )
    assert ran.stdout == fingerprint("a", {"x": [2.5], "y": 1})
    assert len(ran.stdout) == 16


def test_a_fingerprint_of_an_object_is_refused() -> None:
    with pytest.raises(TypeError):
        fingerprint(object())


def test_whoever_may_read_the_folder_may_read_what_is_stored(tmp_path: Path) -> None:
    """safetensors makes files that their owner alone may read; readers of the warehouse are others."""
    store = ArtifactStore(tmp_path)
    with store.writing("policy", "ab") as folder:
        save_file({"a": np.zeros(3)}, folder / "policy.safetensors")
        (folder / "policy.json").write_text("{}")
    made = store.path("policy", "ab")
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {made.stat().st_mode & 0o666}
