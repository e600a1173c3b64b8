"""Whatever is made beside its last name is made under a name of its own: two at once never take each other's."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.drafts import drafted
from pipeline.warehouse.artifacts import ArtifactStore


def test_a_draft_gets_its_name_when_it_is_whole_and_nothing_is_left_when_it_fails(tmp_path: Path) -> None:
    with drafted(tmp_path / "a.csv") as draft:
        draft.write_text("1")
        assert not (tmp_path / "a.csv").exists()
    with pytest.raises(ZeroDivisionError), drafted(tmp_path / "a.csv") as draft:
        draft.write_text("half")
        1 / 0  # noqa: B018
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "1"


def test_two_at_once_write_the_same_file_and_neither_takes_the_others(tmp_path: Path) -> None:
    with drafted(tmp_path / "a") as first, drafted(tmp_path / "a") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a").read_text() == "first"  # the outer one ended last


def test_what_a_dead_process_left_is_cleared_by_the_next_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    source = (
        "import os, sys; from pathlib import Path; from pipeline.drafts import drafted\n"
        "with drafted(Path(sys.argv[1])) as draft:\n    draft.write_text('half'); os._exit(9)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    assert subprocess.run([sys.executable, "-c", source, str(tmp_path / "a")], check=False, env=environment).returncode == 9
    [left] = tmp_path.iterdir()
    with drafted(tmp_path / "a") as living:
        living.write_text("living")
        assert not left.exists()
        with drafted(tmp_path / "a") as other:
            other.write_text("other")
        assert living.exists()
    assert (tmp_path / "a").read_text() == "living"


@pytest.mark.parametrize("n", [8])
def test_an_artifact_that_many_write_at_once_is_written_whole(tmp_path: Path, n: int) -> None:
    """As a refresh and a retrain do that fit the same simulators: equal fingerprint, equal content."""
    store = ArtifactStore(tmp_path)

    def write(_: int) -> None:
        with store.writing("simulator", "f1") as folder:
            for part in range(5):
                (folder / f"{part}").write_text("x" * 1000)

    with ThreadPoolExecutor(n) as pool:
        list(pool.map(write, range(4 * n)))
    assert sorted(path.name for path in (tmp_path / "simulator" / "f1").iterdir()) == list("01234")
    assert [path.name for path in (tmp_path / "simulator").iterdir()] == ["f1"]
