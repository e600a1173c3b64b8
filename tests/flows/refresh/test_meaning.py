"""What gives ids, times and answers their meaning is decided once and cannot change unseen."""

import polars as pl
import pytest

from flows.refresh.flow import refresh
from flows.runtime.run import Run
from flows.runtime.settings import load_settings
from flows.runtime.steps import DirectSteps
from pipeline.errors import AuditError, ConfigError, QuarantineError
from tests.support.logs import Log


def spelt(rows: pl.DataFrame, old: str | None = None, new: str = "") -> pl.DataFrame:
    """The rows with item ids as texts, one of them spelt otherwise."""
    ids = pl.col("item_id").cast(pl.String)
    return rows.with_columns(ids.replace({old: new}) if old else ids)


def once_more(log: Log, text: str) -> pl.DataFrame:
    """The log, and one event of an item 7 that is spelt otherwise."""
    return pl.concat([spelt(log.rows), spelt(log.later(1).head(1).with_columns(item_id=7), "7", text)])


@pytest.mark.parametrize("text", ["0007", "+7", "-07", "9223372036854775808"])
def test_an_item_written_in_two_ways_is_two_items(log: Log, text: str) -> None:
    night = log.stage(once_more(log, text))
    assert (night.items.height, night.rejected) == (31, {})
    assert {"7", text} <= set(night.items["raw_id"])


@pytest.mark.parametrize("text", ["0007", "+7", "7.0", "-07", "7e0", "9223372036854775808"])
def test_whole_numbers_by_decree_never_merge_two_texts(log: Log, text: str) -> None:
    night = log.stage(once_more(log, text), ids="integer")
    assert night.items.height == 30
    [reason] = night.rejected
    assert reason.startswith("item id is")


@pytest.mark.parametrize("ids", ["auto", "integer", "text"])
def test_blanks_around_an_id_are_no_part_of_it(log: Log, ids: str) -> None:
    night = log.stage(once_more(log, " 7 "), ids=ids)
    assert (night.items.height, night.rejected) == (30, {})
    assert "7" in night.items["raw_id"].to_list()


@pytest.mark.parametrize(("n_letters", "kind"), [(10, "integer"), (11, "text")])
@pytest.mark.parametrize("chunk_rows", [7, 100_000])
def test_the_whole_first_delivery_decides_whatever_its_chunks(log: Log, n_letters: int, kind: str, chunk_rows: int) -> None:
    """The last rows have letters: 1 % of faults is borne, more are texts."""
    is_letter = pl.int_range(pl.len()) >= 1000 - n_letters
    ids = pl.col("item_id").cast(pl.String)
    night = log.stage(
        log.rows.with_columns(item_id=pl.when(is_letter).then(pl.lit("a") + ids).otherwise(ids)),
        ingest={"chunk_rows": chunk_rows},
    )
    assert night.counts.n_rejected == (0 if kind == "text" else n_letters)
    assert (night.items["item_id"] > 30).any() == (kind == "text")


def test_first_rows_of_letters_do_not_decide_for_the_rest(log: Log) -> None:
    """The first 600 of 100,000 rows have letters, less than 1 %: whole numbers, as if they came last."""
    many = pl.concat([log.rows.with_columns(pl.col("timestamp") + 86_400 * day) for day in range(100)])
    ids = pl.col("item_id").cast(pl.String)
    rows = many.with_columns(item_id=pl.when(pl.int_range(pl.len()) < 600).then(pl.lit("a") + ids).otherwise(ids))
    night = log.stage(rows, ingest={"chunk_rows": 1000})
    assert night.rejected == {"item id is not a whole number": 600}


def test_ids_of_a_catalogue_decide_too(log: Log) -> None:
    """All events have numbers, but the catalogue writes 0007: 7 and 0007 are two items there."""
    (log.folder / "items.csv").write_text("id\n0007\n" + "".join(f"{item}\n" for item in range(1, 31)))
    items = {"path": log.folder / "items.csv", "columns": {"item": "id"}}
    assert log.stage(log.rows, items=items).items.height == 31


def test_advice_on_times_in_another_unit_leaves_the_rows_before_what_they_are(log: Log) -> None:
    """The unit holds since release 1: a new file may be declared to be another, with --accept; a file that has known rows may not."""
    first = log.stage(log.rows)
    wrong = log.later(1).with_columns(pl.col("timestamp") * 1000)
    with pytest.raises(QuarantineError, match=r'set source.time_unit = "ms", or raise'):
        log.stage(wrong, "0.csv")
    with pytest.raises(
        QuarantineError, match=r'since release 1: mend .* source.time_unit = "ms" and run: .*--accept source.time_unit'
    ):
        log.stage(wrong, "2.csv", first)
    with pytest.raises(QuarantineError, match=r"since release 1: mend these times, or raise ingest.quarantine_limit"):
        log.stage(pl.concat([log.rows, wrong]), "1.csv", first)


def test_letters_on_a_later_night_are_kept_aside_or_refused_with_what_holds_since(log: Log) -> None:
    first = log.stage(log.rows)
    ids = pl.col("item_id").cast(pl.String)
    few = log.later(1).with_columns(item_id=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("x7")).otherwise(ids))
    assert log.stage(few, "2.csv", first).rejected == {"item id is not a whole number": 1}
    with pytest.raises(QuarantineError, match="item id is not a whole number.*item ids are whole numbers since release 1"):
        log.stage(log.later(1).with_columns(item_id=pl.lit("x") + ids), "2.csv", first)


def test_numbers_on_a_later_night_stay_texts_where_ids_are_texts(log: Log) -> None:
    first = log.stage(log.rows.with_columns(user_id=pl.lit("u") + pl.col("user_id").cast(pl.String)))
    second = log.stage(log.later(1), "2.csv", first)
    assert (second.events["user_id"] > 40).all()
    assert pl.read_parquet(second.folder / "users.parquet")["raw_id"].sort().to_list()[0] == "1"


def test_a_setting_that_gives_rows_their_meaning_cannot_change_unseen(log: Log) -> None:
    """Each is refused by its name, with both values; what only says how the log is read is free; a change that is meant is
    accepted by its name and recorded, and holds from then on."""
    log.write(log.rows)
    log.refresh()
    log.write(log.later(1), "2.csv")
    good = 'positive = ["1"]'
    changes = [
        (f'{good}\ntime_unit = "ms"', {}, r'source.time_unit is "ms", but .* "s" since release 1; .* --accept source.time_unit$'),
        ('positive = ["0"]', {}, r'source.positive is \["0"\], but .* \["1"\] since release 1'),
        ("", {}, r"source.positive is null, but"),
        (f'{good}\nidentity = "row"', {}, r'source.identity is "row", but'),
        (f'{good}\nids = "text"', {}, r'source.ids.user is "text", but .* "integer" since release 1.*--warehouse'),
        (good, {"request": "timestamp"}, r'source.columns.request is "timestamp", but .* null'),
        (f'{good}\nhas_header = false\nnames = ["item_id", "user_id", "timestamp", "clicked"]', {}, "source.has_header"),
        (f'{good}\nencoding = "latin-1"', {}, "source.encoding"),
        (f'{good}\nquote = ""', {}, "source.quote"),
    ]
    for source, columns, said in changes:
        with pytest.raises(ConfigError, match=said):
            log.refresh(source, columns)
    assert log.ask("select count(*), max(release_id) from releases") == [(1, 1)]
    log.refresh('positive = ["1", "1.0", "true"]\nids = "integer"\nseparator = ","')
    log.write(log.later(2), "3.csv")
    log.refresh('positive = ["1", "2"]', accept=["source.positive"])
    asked = "select value, release_id from source_meanings where setting = 'source.positive' order by 2"
    assert log.ask(asked) == [('["1"]', 1), ('["1","2"]', 3)]
    assert log.ask("select config->'$.accepted' from releases where release_id = 3") == [('["source.positive"]',)]
    with pytest.raises(ConfigError, match=r'\["1","2"\] since release 3'):
        log.refresh()


def test_another_source_or_kind_and_an_acceptance_that_cannot_be_are_refused(log: Log) -> None:
    log.write(log.rows)
    with pytest.raises(ConfigError, match=r"--accept source\.positve: no such change; did you mean source\.positive"):
        log.refresh(accept=["source.positve"])
    with pytest.raises(ConfigError, match=r"source\.ids\.user cannot be accepted.*--warehouse"):
        log.refresh(accept=["source.ids.user"])
    log.refresh()
    config = log.folder / "log.toml"
    text = config.read_text()
    other = '[source]\nkind = "generated"\nname = "log"\npath = "raw"\n' + text[text.index("[ingest]") :]
    for changed, said in (
        (text.replace('"log"', '"shop"'), "source.name"),
        (other, 'source.kind is "generated", but .* "table"'),
    ):
        config.write_text(changed)
        with pytest.raises(ConfigError, match=said):
            refresh(load_settings(config, log.folder / "w"), log.folder / "w", Run("daily-refresh"), DirectSteps())


def test_a_night_without_positives_is_blocked_leaves_its_evidence_and_can_be_accepted(log: Log) -> None:
    """Warnings of a night that is published stand in its report."""
    log.write(log.rows, "1.csv")
    log.refresh()
    log.write(log.later(1).with_columns(clicked=pl.lit("yes")), "2.csv")
    said = r"share of positives of 2\.csv is 0\.000, usually 0\.33.*hsrl refresh --accept delivery_drift"
    with pytest.raises(AuditError, match=said) as refusal:
        log.refresh()
    assert len(str(refusal.value)) < 600
    assert log.ask("select max(release_id), (select count(*) from events) from releases") == [(1, 1000)]
    assert log.ask("select n_offenders from audits where audit = 'delivery_drift' and release_id = 2") == [(1,)]
    report = log.refresh(accept=["delivery_drift"])
    assert report["status"] == "published"
    [warning] = report["warnings"]
    assert "share of positives of 2.csv is 0.000" in warning
    assert log.ask("select n_accepted, n_positives, n_users, n_new_users, n_new_items from ingests order by sequence") == [
        (1000, log.rows["clicked"].sum(), 40, 40, 30),
        (200, 0, 40, 0, 0),
    ]
