"""How files are written that programs other than the usual ones wrote: line ends, encodings, JSON, members of a zip."""

import json
import random
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.ingest.guess.form import samples_of
from pipeline.ingest.guess.propose import propose

START = 1_700_000_000  # 2023-11-14 22:13:20 UTC


def lines(n: int = 60, first: int = 0) -> list[str]:
    """Rows of user, item, clicked and ts."""
    return [f"{at % 9},{at % 7},{at % 2},{START + 60 * at}" for at in range(first, first + n)]


def test_a_carriage_return_inside_a_line_does_not_stop_the_look(tmp_path: Path) -> None:
    log = tmp_path / "a.csv"
    log.write_bytes(b'user,item,comment,clicked,ts\n1,2,hello\rworld,1,1700000000\n1,3,"so, so",0,1700000060\n')
    [sample] = samples_of(log)
    assert sample.column("comment") == ["hello world", "so, so"] and sample.column("ts") == ["1700000000", "1700000060"]


@pytest.mark.parametrize("quoted", ["so", '"so, so"'])
@pytest.mark.parametrize("end", ["", "\r"])
def test_lines_that_end_by_a_carriage_return_alone_are_parted_as_the_reader_does(tmp_path: Path, quoted: str, end: str) -> None:
    log = tmp_path / "mac.csv"
    log.write_bytes(("\r".join(["user,item,clicked,ts,note", *(f"{line},{quoted}" for line in lines())]) + end).encode())
    [sample] = samples_of(log)
    assert len(sample.rows) == 60 and sample.names == ("user", "item", "clicked", "ts", "note")
    assert sample.is_open == (end == "")


def test_carriage_returns_with_a_line_feed_at_the_end_are_refused_for_their_line_ends(tmp_path: Path) -> None:
    """The reader takes such a file for a line."""
    log = tmp_path / "mac.csv"
    log.write_bytes(("\r".join(["user,item,clicked,ts", *lines()]) + "\n").encode())
    with pytest.raises(SourceError, match=r"its lines end by a carriage return alone.* tr '\\r' '\\n'"):
        samples_of(log)


def test_junk_is_looked_at_or_refused_in_a_line(tmp_path: Path) -> None:
    """Bytes without nulls, of which many are quotes, separators and line ends."""
    draw = random.Random(7)  # noqa: S311 not for secrets
    for at in range(200):
        junk = bytes(draw.choice(b'\r\n",;|\t {}[]:1a\x1e\x1f\x85\xe9\xff') for _ in range(draw.randrange(1, 300)))
        (tmp_path / f"{at}").write_bytes(junk)
        try:
            samples_of(tmp_path / f"{at}")
        except SourceError as error:
            assert "\n" not in str(error)


def objects(n: int = 60) -> list[dict[str, int]]:
    """Events of users, items, times and clicks."""
    return [{"user": at % 9, "item": at % 7, "ts": START + 60 * at, "clicked": at % 2} for at in range(n)]


def test_json_lines_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text("".join(json.dumps(each) + "\n" for each in objects()), encoding="utf-8-sig")
    [sample] = samples_of(log)
    assert (sample.kind, sample.names) == ("json", ("user", "item", "ts", "clicked"))
    assert propose([log], tmp_path).trial.n_events == 60


@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_with_a_list_of_events_is_refused_with_the_command_that_writes_lines(
    tmp_path: Path, indent: int | None
) -> None:
    log = tmp_path / "a.json"
    for n in (60, 20_000):  # more than is looked at
        log.write_text(json.dumps({"count": n, "event": {"list": "no"}, "events": objects(n)}, indent=indent))
        with pytest.raises(
            SourceError, match=r"a JSON object whose events is a list of objects.* jq -c '.events\[\]' a.json > NEW.jsonl"
        ):
            samples_of(log)


def test_objects_over_several_lines_are_refused_with_the_command_that_writes_lines(tmp_path: Path) -> None:
    log = tmp_path / "a.json"
    log.write_text("\n".join(json.dumps(each, indent=2) for each in objects()))
    with pytest.raises(SourceError, match=r"JSON objects over several lines.* jq -c . a.json > NEW.jsonl"):
        samples_of(log)


def test_a_json_object_of_ids_stays_a_list_of_items(tmp_path: Path) -> None:
    for indent in (None, 1):
        (tmp_path / "a.json").write_text(json.dumps({str(at): [at, at + 1] for at in range(40)}, indent=indent))
        assert samples_of(tmp_path / "a.json")[0].kind == "map"


def test_files_of_other_encodings_are_read_by_the_encoding_that_reads_both_or_refused_as_such(tmp_path: Path) -> None:
    for name, word, encoding in (("0.csv", "tea", "utf-8"), ("1.csv", "café", "latin-1"), ("x.txt", "café", "utf-8")):
        text = "user,item,clicked,ts,note\n" + "".join(f"{line},{word}\n" for line in lines())
        (tmp_path / name).write_bytes(text.encode(encoding))
    found = propose([tmp_path / "0.csv", tmp_path / "1.csv"], tmp_path)
    assert 'encoding = "latin-1"' in found.text and found.trial.n_events == 120
    with pytest.raises(SourceError, match="1.csv and x.txt: .* encodings, latin-1 and utf-8.*iconv"):
        propose([tmp_path / "1.csv", tmp_path / "x.txt"], tmp_path)


def test_files_with_and_without_fields_over_several_lines_are_a_log(tmp_path: Path) -> None:
    for number, note in enumerate(("a", '"a\nb"')):
        (tmp_path / f"{number}.csv").write_text("user,item,clicked,ts,note\n" + "".join(f"{line},{note}\n" for line in lines()))
    found = propose([tmp_path / "0.csv", tmp_path / "1.csv"], tmp_path)
    assert "multiline = true" in found.text and (found.trial.n_events, found.trial.n_rejected) == (120, 0)


def test_which_of_two_columns_of_users_was_taken_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "user_id,customer_id,item,clicked,ts\n" + "".join(f"{at},{line}\n" for at, line in enumerate(lines()))
    )
    doubts = propose([tmp_path / "a.csv"], tmp_path).doubts
    assert "whether users are user_id or customer_id; user_id was taken" in doubts


def test_blank_answers_are_counted_with_the_setting_that_takes_them(tmp_path: Path) -> None:
    rows = [f"{at % 9},{at % 7},{'click' if at % 3 == 0 else ''},{START + 60 * at}\n" for at in range(60)]
    (tmp_path / "a.csv").write_text("user,item,event,ts\n" + "".join(rows))
    doubts = propose([tmp_path / "a.csv"], tmp_path).doubts
    assert any(doubt.startswith("40 of 60 rows will be refused") and "source.blank_is_no = true" in doubt for doubt in doubts)
