"""What arrives night after night: files still being written, empty, growing, or spoilt at their end."""

import io
import os
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from flows.refresh.flow import refresh
from flows.refresh.request import RefreshRequest
from flows.runtime.run import Run
from flows.runtime.settings import load_settings
from flows.runtime.steps import DirectSteps
from pipeline.errors import EmptyFileError, HsrlError, QuarantineError, SourceError
from pipeline.ingest.files import Snapshot
from pipeline.ingest.table import TableLog
from pipeline.ingest.table_config import TableSource
from pipeline.warehouse.adhoc import run_sql
from tests.support.configurations import LONG_COLUMNS, log_toml
from tests.support.malformed_logs import HEADER as ODD_HEADER
from tests.support.malformed_logs import content_of, physical_lines

START = 1_700_000_000
HEADER = "user_id,timestamp,clicked,item_id\n"


def rows(day: int, n: int = 25, users: int = 40) -> str:
    """Rows of some users on a day, by time; item 105 is the last of all."""
    lines = [
        f"{user},{START + day * 86_400 + 60 * at + user},{int((user + at) % 3 == 0)},{1 + (7 * user + 11 * at) % 30}"
        for at in range(n)
        for user in range(users)
    ]
    return "\n".join(lines)[: -len(lines[-1])] + f"{users - 1},{START + day * 86_400 + 60 * n + users},1,105\n"


class Nights:
    """A warehouse and the folder its logs lie in."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self.folder, self.root = folder, folder / "w"
        (folder / "log.toml").write_text(log_toml(pattern, LONG_COLUMNS, codes=(1, 4)))

    def next(self, slate_size: int = 5, *, corrected: bool = False) -> tuple[dict[str, Any], str]:
        """What a refresh reports and says."""
        said = io.StringIO()
        config = self.folder / "log.toml"
        config.write_text(config.read_text().replace("slate_size = 5", f"slate_size = {slate_size}"))
        run = Run("daily-refresh", Console(file=said, width=400))
        request = RefreshRequest(again="corrected" if corrected else None)
        return refresh(load_settings(config, self.root), self.root, run, DirectSteps(), request), said.getvalue()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return run_sql(self.root, query).rows()

    def require_conserved(self) -> None:
        """By SQL: every physical line is an event, in quarantine, known, or no row; files agree with their deliveries."""
        assert not self.ask("from ingests where n_rows <> n_accepted + n_rejected + n_known")
        assert not self.ask("from ingest_lines where n_lines <> n_header + n_blank + n_continued + n_rows")
        assert not self.ask(
            "with kept as (select ingest_id, file, count(*) n from quarantine group by all) "
            "from ingest_lines left join kept using (ingest_id, file) where n_rejected <> coalesce(n, 0)"
        )
        assert not self.ask(
            "with stored as (select ingest_id, count(*) n from events group by all), "
            "read as (select ingest_id, sum(n_rows - n_rejected - n_known) n from ingest_lines where content = 'events' group by all) "
            "from read left join stored using (ingest_id) where read.n <> coalesce(stored.n, 0)"
        )


@pytest.mark.slow
def test_one_growing_log_through_five_nights(tmp_path: Path) -> None:
    """Night 1: five bad rows, and the last line cut inside its last column. Night 2: it is closed, a day more. Night 3: the new
    day in milliseconds, refused. Night 4: mended. Night 5: an open line whose file nobody touched for two days is taken."""
    nights, log = Nights(tmp_path, "log.csv"), tmp_path / "log.csv"
    bad = "".join(f"{user},soon,1,{user}\n" for user in range(5))
    day = [rows(number) for number in range(1, 6)]
    log.write_text(HEADER + bad + day[0].removesuffix("05\n"))
    report, said = nights.next()
    assert report["n_accepted"] == 999 and report["n_rejected"] == 6
    assert "log.csv: the last line has no line end; it waits in quarantine" in said and "ingest.settle_hours" in said
    assert nights.ask(
        "select count(*) from events where item_id in (1, 105) and occurred_at = to_timestamp(1700000000 + 86400 + 60 * 25 + 40)"
    ) == [(0,)]
    assert nights.ask("select raw from quarantine where reason like 'the last line%'") == [("39,1700087940,1,1",)]

    log.write_text(HEADER + bad + day[0] + day[1][: len(day[1]) // 10].rpartition("\n")[0] + "\n")
    report, said = nights.next()
    n_new = report["n_rows"] - 1005
    assert 50 < n_new < 120 and (report["n_accepted"], report["n_rejected"], report["n_known"]) == (n_new + 1, 0, 1004)
    assert nights.ask("select count(*) from events where item_id = 105") == [(1,)]
    assert nights.ask("select count(*) from quarantine") == [(6,)]

    whole = log.read_text()
    milliseconds = "".join(f"{user},{START + 300_000}000,1,{user + 1}\n" for user in range(40))
    log.write_text(whole + milliseconds)
    with pytest.raises(QuarantineError, match=r"40 of 40 new rows of delivery log\.csv .* would be one in ms .*mend these times"):
        nights.next()
    assert nights.ask("select max(release_id) from releases") == [(2,)]

    log.write_text(whole + day[2])
    report, said = nights.next()
    assert (report["n_accepted"], report["n_rejected"], report["n_known"]) == (1000, 0, n_new + 1005)

    log.write_text(whole + day[2] + "3,1700999999,1,7")
    report, said = nights.next()
    assert (report["n_accepted"], report["n_rejected"]) == (0, 1)
    assert nights.next()[0]["status"] == "nothing new"
    os.utime(log, (log.stat().st_mtime - 200_000,) * 2)
    report, said = nights.next()
    assert (report["n_accepted"], report["n_rejected"]) == (1, 0)
    assert nights.next()[0]["status"] == "nothing new"
    assert nights.ask("select count(*) from events") == [(999 + 1 + n_new + 1000 + 1,)]
    nights.require_conserved()


@pytest.mark.slow
def test_empty_files_among_good_days_are_told_and_passed_over(tmp_path: Path) -> None:
    """Zero bytes, a header alone, blank lines alone, a first line still being written; a day that fills later is taken then."""
    nights = Nights(tmp_path, "day_*.csv")
    for name, text in {
        "1": HEADER + rows(1),
        "2": "",
        "3": HEADER,
        "4": "\n\n\n",
        "5": HEADER[:9],
        "10": HEADER + rows(10),
    }.items():
        (tmp_path / f"day_{name}.csv").write_text(text)
    report, said = nights.next()
    assert report["deliveries"] == ["day_1.csv", "day_10.csv"] and report["passed_over"] == [f"day_{n}.csv" for n in (2, 3, 4, 5)]
    assert all(f"day_{n}.csv: no rows" in said for n in (2, 3, 4, 5))
    report, said = nights.next()
    assert report["status"] == "nothing new" and "day_2.csv: no rows" in said
    (tmp_path / "day_11.csv").write_text("")
    (tmp_path / "day_12.csv").write_text(HEADER + rows(12))
    assert nights.next()[0]["deliveries"] == ["day_12.csv"]
    (tmp_path / "day_11.csv").unlink()
    (tmp_path / "day_13.csv").write_text(HEADER)
    assert nights.next()[0]["status"] == "nothing new"
    (tmp_path / "day_13.csv").write_text(HEADER + rows(13))
    assert nights.next()[0]["deliveries"] == ["day_13.csv"]
    nights.require_conserved()


def test_nothing_but_empty_files_is_refused_where_there_is_no_warehouse_yet(tmp_path: Path) -> None:
    nights = Nights(tmp_path, "day_*.csv")
    (tmp_path / "day_1.csv").write_text(HEADER)
    with pytest.raises(EmptyFileError, match=r"day_1\.csv: no rows"):
        nights.next()


def test_each_file_of_a_delivery_is_held_to_the_limit_by_itself(tmp_path: Path) -> None:
    """Twenty bad rows are below 1 % of the 3,000 of the delivery, and all of their file."""
    nights = Nights(tmp_path, "part_*.csv")
    (tmp_path / "log.toml").write_text((tmp_path / "log.toml").read_text().replace("[source]", '[source]\ndelivery = "all"'))
    for part in range(1, 4):
        (tmp_path / f"part_{part}.csv").write_text(HEADER + rows(part))
    (tmp_path / "part_4.csv").write_text(HEADER + "".join(f"{user},soon,1,1\n" for user in range(20)) + rows(4, 1, 1))
    with pytest.raises(QuarantineError, match=r"20 of 21 rows of part_4\.csv"):
        nights.next()


def test_records_of_which_none_is_for_training_are_named(tmp_path: Path) -> None:
    """A first day: 5 events a user are one record each, and the first 80 % of one record are none. Positives there are enough."""
    nights = Nights(tmp_path, "log.csv")
    (tmp_path / "log.csv").write_text(HEADER + rows(1, 5))
    with pytest.raises(
        HsrlError, match=r"none of 40 records is for training: .*0\.8 of each user.* lower records\.slate_size, or wait"
    ):
        nights.next()


def test_too_few_events_for_a_record_are_named(tmp_path: Path) -> None:
    nights = Nights(tmp_path, "log.csv")
    (tmp_path / "log.csv").write_text(HEADER + rows(1, 3))
    with pytest.raises(HsrlError, match=r"no user has records\.slate_size = 10 events: 40 users have at most 3; lower it"):
        nights.next(slate_size=10)


def test_a_file_written_over_while_it_is_read_is_refused_and_one_that_grows_is_read_as_it_was_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights, log = Nights(tmp_path, "log.csv"), tmp_path / "log.csv"
    log.write_text(HEADER + rows(1))
    read = TableLog.read

    def spoil(text: str) -> None:
        def reading(source: TableLog, delivery: Any, kinds: Any) -> Any:
            log.write_text(text)
            return read(source, delivery, kinds)

        monkeypatch.setattr(TableLog, "read", reading)

    spoil(HEADER + rows(2))
    with pytest.raises(SourceError, match=r"log\.csv: was written over while it was read"):
        nights.next()
    log.write_text(HEADER + rows(1))
    spoil(HEADER + rows(1) + rows(2)[:5000])
    report, _ = nights.next()
    assert report["n_rows"] == 1000
    monkeypatch.undo()
    assert nights.ask("select sha256, bytes from ingest_files") != [(Snapshot.of(log).sha256, log.stat().st_size)]
    assert nights.next()[0]["n_known"] == 1000
    nights.require_conserved()


def test_a_list_whose_last_line_is_open_is_refused_while_it_may_still_be_written(tmp_path: Path) -> None:
    """Cut, the catalogue would take all that follows out of sale."""
    nights, items = Nights(tmp_path, "log.csv"), tmp_path / "items.csv"
    (tmp_path / "log.csv").write_text(HEADER + rows(1))
    items.write_text("item_id,title\n" + "\n".join(f"{item},T{item}" for item in [*range(1, 31), 105]))
    with (tmp_path / "log.toml").open("a") as config:
        config.write('[source.items]\npath = "items.csv"\ncolumns = {item = "item_id", title = "title"}\n')
    with pytest.raises(SourceError, match=r"items\.csv: its last line has no line end.*ingest\.settle_hours = 0"):
        nights.next()
    os.utime(items, (items.stat().st_mtime - 200_000,) * 2)
    assert nights.next()[0]["n_accepted"] == 1000
    assert pl.Series(nights.ask("select title from items where item_id = 105")[0]).to_list() == ["T105"]


@pytest.mark.slow
def test_forty_malformed_files_go_through_a_refresh_with_every_line_accounted_for(tmp_path: Path) -> None:
    """By SQL against the bytes on the disk. The files that are refused as a whole are moved away; nothing else is."""
    nights, draw = Nights(tmp_path, "log_*.csv"), random.Random(10)  # noqa: S311
    config = tmp_path / "log.toml"
    changed = config.read_text().replace("user_id", "user").replace("item_id", "item").replace("timestamp", "at")
    config.write_text(changed.replace("buckets = 2", "buckets = 2\nquarantine_limit = 1.0"))
    good = rows(1).replace("\n", ",1.5,Tea\n")
    (tmp_path / "log_0.csv").write_text(ODD_HEADER.replace("item,at,clicked", "at,clicked,item") + "\n" + good)
    expected = {}
    for number in range(1, 200):
        path = tmp_path / f"log_{number}.csv"
        path.write_bytes(content := content_of(draw))
        columns = {"user": "user", "item": "item", "time": "at", "feedback": "clicked"}
        source = TableLog(
            TableSource.model_validate({"path": path, "columns": columns, "positive": ["1"], "ids": "integer"}), 1000
        )
        try:
            list(source.read(source.deliveries()[0]))
            expected[path.name] = physical_lines(content)
        except SourceError:
            path.unlink()
        if len(expected) == 40:
            break
    config.write_text(config.read_text().replace("[source]", '[source]\nids = "integer"'))
    nights.next()
    nights.require_conserved()
    found = dict(nights.ask("select file, n_lines from ingest_lines where content <> 'nothing'"))
    assert len(expected) == 40 and all(found[name] == n for name, n in expected.items() if n is not None)


@pytest.mark.slow
def test_a_catalogue_that_is_written_anew_every_day_reads_no_old_day_again(tmp_path: Path) -> None:
    """Its newest day alone, whether that is new or not; also where an earlier day comes late or corrected."""
    nights, items = Nights(tmp_path, "day_*.csv"), tmp_path / "items.csv"
    config = tmp_path / "log.toml"
    config.write_text(config.read_text() + '[source.items]\npath = "items.csv"\ncolumns = {item = "item_id", title = "title"}\n')

    def day(number: int, catalogue: str) -> None:
        (tmp_path / f"day_{number}.csv").write_text(HEADER + rows(number))
        list_items(catalogue)

    def list_items(catalogue: str) -> None:
        items.write_text("item_id,title\n" + "".join(f"{item},{catalogue} {item}\n" for item in [*range(1, 31), 105]))

    day(1, "first")
    day(3, "first")
    assert nights.next()[0]["deliveries"] == ["day_1.csv", "day_3.csv"]
    day(4, "second")
    report, _ = nights.next()
    assert report["deliveries"] == ["day_4.csv"] and report["n_accepted"] == report["n_rows"] == 1000
    list_items("third")
    report, _ = nights.next()
    assert report["deliveries"] == ["day_4.csv"] and report["n_accepted"] == 0
    assert nights.ask("select distinct split_part(title, ' ', 1) from items") == [("third",)]
    assert nights.next()[0]["status"] == "nothing new"
    day(2, "fourth")
    assert nights.next()[0]["deliveries"] == ["day_2.csv"]
    assert nights.ask("select distinct split_part(title, ' ', 1) from items") == [("fourth",)]
    list_items("fifth")
    assert nights.next(corrected=True)[0]["deliveries"] == ["day_4.csv"]
    assert nights.ask("select count(*), count(distinct ingest_id) from events") == [(4000, 4)]
    nights.require_conserved()
