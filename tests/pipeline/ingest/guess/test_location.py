"""A glob takes the files of today and of later days, and nothing else that lies there."""

import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.ingest.guess.propose import propose
from pipeline.ingest.path_columns import values_in
from pipeline.ingest.tabular import matching

START = 1_700_000_000  # 2023-11-14 22:13:20 UTC
ROWS = "".join(f"{at % 9},{at % 7},{at % 2},{START + 60 * at}\n" for at in range(30))
LOG = "user,item,clicked,ts\n" + ROWS


def source_of(folder: Path, *names: str) -> dict[str, Any]:
    """The section of the source that init proposes for files of a folder, which are written here if they are not there."""
    files = [folder / name for name in names]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(LOG)
    return tomllib.loads(propose(files, folder).text)["source"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["day_2024-01-01.csv", "day_2024-01-02.csv"], "day_*.csv"),
        (["day_2024-01-19.csv.gz", "day_2024-01-20.csv.gz"], "day_*.csv.gz"),
        (["2024-01-01_eu.csv", "2024-01-02_eu.csv"], "*_eu.csv"),
        (["2024-01-01_eu.csv", "2024-01-01_us.csv"], "*.csv"),
        (["eu-2024-01-01.csv", "us-2024-01-01.csv"], "*.csv"),
        (["clicks_mon.csv", "clicks_sun.csv"], "clicks_*.csv"),
        (["clicks_mar.csv", "clicks_may.csv"], "clicks_*.csv"),
        (["log1.csv", "log10.csv"], "log*.csv"),
        (["log.csv", "log_2.csv"], "log*.csv"),
        (["a[1].csv", "a[2].csv"], "a[[]*].csv"),
        (["day=2024-01-01/part.csv", "day=2024-01-02/part.csv"], "day=*/part.csv"),
        (["year=2024/month=1/a.csv", "year=2024/month=2/a.csv"], "year=*/month=*/a.csv"),
        (["2024/01/31.csv", "2024/02/01.csv"], "*/*/*.csv"),
    ],
)
def test_a_glob_ends_before_a_number_and_a_word(tmp_path: Path, names: list[str], expected: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(LOG)
    found = propose([tmp_path / name for name in names], tmp_path)
    source = tomllib.loads(found.text)["source"]
    assert source["path"] == expected and found.trial.n_events == 60
    assert matching(tmp_path / expected) == sorted(tmp_path / name for name in names)
    assert not any(letter.isdigit() for letter in source["name"]) and source["name"].strip("-") == source["name"]
    assert any(f"all that {expected} matches: 2 files now" in doubt for doubt in found.doubts)


def test_a_catalogue_that_lies_there_is_not_taken_for_the_log(tmp_path: Path) -> None:
    (tmp_path / "day_items.csv").write_text("item,title\n" + "".join(f"{item},Thing\n" for item in range(7)))
    found = source_of(tmp_path, "day_1.csv", "day_2.csv", "day_items.csv")
    assert (found["path"], found["items"]["path"], found["name"]) == ("day_[0-9]*.csv", "day_items.csv", "day")
    assert source_of(tmp_path, "day_1.csv", "day_2.csv")["path"] == "day_[0-9]*.csv"
    with pytest.raises(SourceError, match="would match 1 more files, such as day_10.csv"):
        (tmp_path / "day_10.csv").write_text(LOG)
        source_of(tmp_path, "day_1.csv", "day_2.csv")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("clicks_2024-01-05.csv", "clicks"),
        ("20240105_clicks.csv", "clicks"),
        ("clicks-202401-eu.csv", "clicks-eu"),
        ("2024_01_05.csv", "my-log"),
        ("log-2024.csv", "log-2024"),
        ("a1999123401.csv", "a1999123401"),
    ],
)
def test_a_source_is_not_named_after_the_day_of_its_first_file(tmp_path: Path, file: str, name: str) -> None:
    assert source_of(tmp_path, file)["name"] == name


def test_a_folder_with_brackets_is_no_glob(tmp_path: Path) -> None:
    folder = tmp_path / "data[1]"
    assert source_of(folder, "day_1.csv", "day_2.csv")["path"] == "day_*.csv"
    assert matching(folder / "day_*.csv") == [folder / "day_1.csv", folder / "day_2.csv"]


def test_a_glob_of_members_ends_before_a_number(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("log/day_2024-01-01.csv", "log/day_2024-01-02.csv"):
            archive.writestr(name, LOG)
        archive.writestr("log/items.csv", "item,title\n" + "".join(f"{item},Thing\n" for item in range(7)))
    found = source_of(tmp_path, "a.zip")
    assert (found["member"], found["items"]["member"]) == ("log/day_*.csv", "log/items.csv")


@pytest.mark.parametrize(
    ("folder", "template"),
    [("day={}/policy=a", "day={{day}}/policy={{policy}}/*"), ("day={}/new", "day={{day}}/*/*")],
)
def test_columns_of_hive_folders_are_named(tmp_path: Path, folder: str, template: str) -> None:
    files = [tmp_path / folder.format(day) / "x.csv" for day in (1, 2)]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text(LOG)
    found = propose(files, tmp_path)
    template = template.format()
    assert any(f'path_columns = "{template}"' in doubt for doubt in found.doubts)
    assert [values_in(template, str(file))["day"] for file in files] == ["1", "2"]


def test_no_member_of_a_zip_is_left_out_in_silence(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("day_1.csv", LOG)
        archive.writestr("day_2.csv", LOG.encode("utf-16"))
        archive.writestr("notes.txt", "Some words, of no table.\n\nEnd\n")
    found = propose([tmp_path / "a.zip"], tmp_path)
    assert tomllib.loads(found.text)["source"]["member"] == "day_1.csv"
    assert any(doubt.startswith("a.zip/day_2.csv is left out: UTF-16 text") and "iconv" in doubt for doubt in found.doubts)
    assert any(doubt.startswith("a.zip/notes.txt is left out: no table") for doubt in found.doubts)


@pytest.mark.parametrize("content", ["user,item,clicked,ts\n", ""])
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_file_without_rows_is_of_the_log_as_its_neighbours(tmp_path: Path, content: str, is_zip: bool) -> None:
    contents = {"day_1.csv": LOG, "day_2.csv": content, "day_3.csv": LOG}
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, text in contents.items():
            archive.writestr(name, text)
    found = propose([tmp_path / "a.zip"] if is_zip else [tmp_path / name for name in contents], tmp_path)
    source = tomllib.loads(found.text)["source"]
    assert found.trial.n_events == 60 and source["member" if is_zip else "path"] in ("*", "*.csv", "day_*.csv")
    assert content or any("day_2.csv is left out: " in doubt and "0 bytes" in doubt for doubt in found.doubts)
