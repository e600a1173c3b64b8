import os
from pathlib import Path

import pytest

from flows.refresh import raw_hashes
from flows.refresh.raw_hashes import NOTES, RawHashes

PLANTED = "0" * 64  # a hash that no file has: who gives it has not read the file


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A raw file that was hashed and noted, and whose note was given another hash."""
    monkeypatch.setattr(raw_hashes, "SETTLED_SECONDS", -1.0)
    file = tmp_path / "log.csv"
    file.write_text("user,item\n1,2\n")
    hashes = RawHashes(tmp_path)
    sha256 = hashes.snapshot(file).sha256
    hashes.save()
    notes = tmp_path / NOTES
    assert sha256 in notes.read_text()
    notes.write_text(notes.read_text().replace(sha256, PLANTED))
    return file


def test_a_file_that_is_as_it_was_is_not_read_again(log: Path) -> None:
    found = RawHashes(log.parent).snapshot(log)
    assert (found.sha256, found.n_bytes) == (PLANTED, log.stat().st_size)


def test_other_bytes_of_the_same_length_and_time_are_read(log: Path) -> None:
    """The time of writing can be set back, the time of change cannot."""
    before = log.stat()
    log.write_text("user,item\n1,3\n")
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert log.stat().st_size == before.st_size and log.stat().st_mtime_ns == before.st_mtime_ns
    hashes = RawHashes(log.parent)
    assert hashes.snapshot(log).sha256 != PLANTED
    hashes.save()
    assert PLANTED not in (log.parent / NOTES).read_text()


def test_another_file_of_the_same_name_is_read(log: Path) -> None:
    other = log.with_suffix(".new")
    other.write_text(log.read_text())
    other.replace(log)
    assert RawHashes(log.parent).snapshot(log).sha256 != PLANTED


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"log.csv": 1}', '{"log.csv": [1, 2]}'])
def test_notes_that_cannot_be_read_cost_reading_the_file(log: Path, damaged: str) -> None:
    (log.parent / NOTES).write_text(damaged)
    assert RawHashes(log.parent).snapshot(log).sha256 != PLANTED


def test_a_file_written_just_now_and_files_that_are_gone_are_not_noted(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_hashes, "SETTLED_SECONDS", 10.0)
    (log.parent / "fresh.csv").write_text("user,item\n")
    hashes = RawHashes(log.parent)
    hashes.snapshot(log.parent / "fresh.csv")
    log.write_text("user,item\n1,2\n3,4\n")  # it is noted no more
    hashes.snapshot(log)
    hashes.save()
    assert (log.parent / NOTES).read_text() == "{}\n"
