"""Published logs by their kind: the real files with exact counts, and small ones in the form of those that are not at hand."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts import USER_STATE
from pipeline.ingest.ordering import Origin, Rules, order_events
from pipeline.ingest.ready import READY, ReadySource
from pipeline.ingest.registry import SECTION_OF_KIND
from tests.support.tables import read_source


def test_every_ready_mapping_has_a_kind() -> None:
    assert {kind for kind, section in SECTION_OF_KIND.items() if section is ReadySource} == set(READY)


# --- real files


@pytest.mark.real
def test_rl4rs_is_slates_of_nine(shared_data: Path) -> None:
    """63 records, 567 events, 398 positives, 283 items, 40 profiles; pages of a session share a timestamp and repeat items."""
    folder = shared_data / "rl4rs"
    batch = read_source(kind="rl4rs", path=folder / "rl4rs_b_*.csv", items={"path": folder / "item_info.csv"})
    assert (batch.events.height, batch.rejects.height, batch.events["feedback"].sum()) == (567, 0, 398)
    assert batch.events["request_id"].n_unique() == 63
    assert batch.events.group_by("request_id").len()["len"].unique().to_list() == [9]
    assert (batch.items.height, batch.events["user_id"].n_unique()) == (283, 40)
    assert batch.events.sort("file", "line", "position")["position"].head(9).to_list() == list(range(9))


@pytest.mark.real
def test_kuairand_is_read_whole_and_its_repeats_are_refused(shared_data: Path) -> None:
    """41,828 rows, 664 users, 9,359 videos, 33,745 likes; 124 rows repeat a user, video and time."""
    folder = shared_data / "kuairand"
    config: dict[str, Any] = {"kind": "kuairand", "path": folder / "kuairand27k_like_hate_subset.tsv.gz"}
    batch = read_source(**config, columns={"feedback": "label"}, users={"path": folder / "user_features_pure.csv.gz"})
    assert (batch.events.height, batch.rejects.height, batch.events["feedback"].sum()) == (41_828, 0, 33_745)
    assert (batch.items.height, batch.users.height) == (9_359, 27_285)
    assert json.loads(batch.users["attributes"][0])["fans_user_num_range"] == "[100,1k)"
    rules = Rules(ReadySource.model_validate(config).open().identity)
    ordered = order_events(batch.events, USER_STATE.empty(), Origin("kuairand", "i"), rules)
    assert (ordered.events.height, ordered.rejects["reason"].to_list()) == (41_704, ["duplicate (user, item, time)"] * 124)


@pytest.mark.real
def test_kuairand_by_a_declared_rule(shared_data: Path) -> None:
    """A click, a long view or 80 % watched, counted by hand in the file."""
    path = shared_data / "kuairand" / "kuairand27k_like_hate_subset.tsv.gz"
    batch = read_source(
        kind="kuairand", path=path, positive_where="is_click = 1 OR long_view = 1 OR play_time_ms > 0.8 * duration_ms"
    )
    assert (batch.events.height, batch.events["feedback"].sum()) == (41_828, 32_300)


@pytest.mark.real
def test_taobao_is_graded_and_cut_to_its_days(shared_data: Path) -> None:
    """84,475 rows, 815 users, 55,368 items, 2,356 fav + 4,497 cart + 1,750 buy; 35 rows are of other days than the nine."""
    path = shared_data / "taobao" / "UserBehavior_prefix.csv.gz"
    whole = read_source(kind="taobao", path=path, first_day="1990-01-01", last_day="2100-01-01")
    assert (whole.events.height, whole.users.height, whole.items.height) == (84_475, 815, 55_368)
    assert dict(whole.events["value"].value_counts().iter_rows()) == {0.0: 75_872, 1.0: 2_356, 2.0: 4_497, 3.0: 1_750}
    cut = read_source(kind="taobao", path=path)
    assert (cut.events.height, cut.rejects.height) == (84_440, 35)
    assert cut.events["feedback"].sum() == whole.events["feedback"].sum() == 8_603
    assert cut.events["occurred_at"].min() >= datetime(2017, 11, 24, 16, tzinfo=UTC)


@pytest.mark.real
def test_open_bandit_is_read_from_its_zip(shared_data: Path) -> None:
    """60,000 impressions, 287 clicks, 80 + 34 + 46 items, and a propensity for each; random shows all items alike."""
    zip_file = shared_data / "obd" / "obd.zip"
    items = {"path": zip_file, "member": "bts/*/item_context.csv"}
    batch = read_source(kind="obd", path=zip_file, member="*/*/[!i]*.csv", items=items)
    assert (batch.events.height, batch.rejects.height, batch.events["feedback"].sum()) == (60_000, 0, 287)
    assert batch.items.height == 80 + 34 + 46
    assert dict(batch.events["behavior_policy_id"].value_counts().iter_rows()) == {"bts": 30_000, "random": 30_000}
    assert batch.events["propensity"].is_between(0, 1, closed="right").all()
    at_random = batch.events.filter(batch.events["behavior_policy_id"] == "random")
    assert sorted(1 / share for share in at_random["propensity"].unique()) == pytest.approx([34, 46, 80], rel=1e-5)


@pytest.mark.real
def test_amazon_beauty_is_positives_in_order(shared_data: Path) -> None:
    """22,363 users, 198,502 interactions, 12,101 items, 637 attributes."""
    folder = shared_data / "amazon-beauty"
    items = {"path": folder / "Beauty_item2attributes.json.gz"}
    batch = read_source(kind="sequences", path=folder / "Beauty.txt.gz", items=items)
    assert (batch.events.height, batch.rejects.height, batch.events["feedback"].sum()) == (198_502, 0, 198_502)
    assert (batch.events["user_id"].n_unique(), batch.items.height) == (22_363, 12_101)
    assert batch.items["categories"].explode().n_unique() == 637
    assert set(batch.events["item_id"]) == set(batch.items["item_id"])


# --- forms of files that are not at hand


def test_recbole_atomic_files(tmp_path: Path) -> None:
    """The first rows of ml-100k as RecBole ships it."""
    (tmp_path / "ml-100k.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n186\t302\t4\t891717742\n"
    )
    (tmp_path / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "242\tKolya\t1996\tComedy\n302\tL.A. Confidential\t1997\tCrime Film-Noir Mystery Thriller\n"
    )
    (tmp_path / "ml-100k.user").write_text("user_id:token\tage:token\n196\t49\n")
    batch = read_source(
        kind="recbole",
        path=tmp_path / "*.inter",
        items={"path": tmp_path / "ml-100k.item"},
        users={"path": tmp_path / "ml-100k.user"},
    )
    assert batch.events.select("user_id", "item_id", "value", "feedback").rows() == [(196, 242, 3.0, 0), (186, 302, 4.0, 1)]
    assert batch.items["categories"].to_list() == [["Comedy"], ["Crime", "Film-Noir", "Mystery", "Thriller"]]
    assert batch.items["title"].to_list() == ["Kolya", "L.A. Confidential"]


def test_mind_impressions(tmp_path: Path) -> None:
    """Two impressions; the second has an item without an answer, as the test set has them all."""
    (tmp_path / "behaviors.tsv").write_text(
        "1\tU13740\t11/11/2019 9:05:58 AM\tN55189 N42782\tN55689-1 N35729-0\n2\tU91836\t11/12/2019 6:11:30 PM\t\tN20678-0 N39317\n"
    )
    (tmp_path / "news.tsv").write_text(
        "".join(f'{n}\tlifestyle\troyals\tThe "Brands"\tabstract\thttps://x\t[]\t[]\n' for n in ("N55689", "N35729", "N20678"))
    )
    batch = read_source(kind="mind", path=tmp_path / "behaviors.tsv", items={"path": tmp_path / "news.tsv"})
    assert batch.events.select("request_id", "position", "feedback", "line").rows() == [
        ("1", 0, 1, 1),
        ("1", 1, 0, 1),
        ("2", 0, 0, 2),
    ]
    assert batch.events["occurred_at"].dt.hour().to_list() == [9, 9, 18]
    assert batch.rejects.select("line", "reason").rows() == [(2, "feedback is not 0 or 1")]
    assert batch.items.select("raw_id", "title", "categories").row(0) == ("N55689", 'The "Brands"', ["lifestyle", "royals"])


@pytest.mark.parametrize(
    ("kind", "review", "item"),
    [
        (
            "amazon",
            {"reviewerID": "A1", "asin": "B01", "overall": 5.0, "unixReviewTime": 1400000000, "helpful": [0, 1]},
            {"asin": "B01", "title": "Tea", "categories": [["Food", "Hot"]], "price": 2.5},
        ),
        (
            "amazon-2023",
            {"user_id": "A1", "parent_asin": "B01", "rating": 5.0, "timestamp": 1400000000000, "images": []},
            {"parent_asin": "B01", "title": "Tea", "categories": ["Food", "Hot"], "details": {"Brand": "X"}},
        ),
        (
            "yelp",
            {"user_id": "A1", "business_id": "B01", "stars": 5.0, "date": "2014-05-13 16:53:20"},
            {"business_id": "B01", "name": "Tea", "categories": "Food, Hot", "attributes": {"WiFi": "free"}, "hours": None},
        ),
    ],
)
def test_reviews_as_json_lines(tmp_path: Path, kind: str, review: dict[str, Any], item: dict[str, Any]) -> None:
    (tmp_path / "reviews.json").write_text(json.dumps(review) + "\n")
    (tmp_path / "meta.json").write_text(json.dumps(item) + "\n")
    batch = read_source(kind=kind, path=tmp_path / "reviews.json", items={"path": tmp_path / "meta.json"})
    assert batch.events.select("value", "feedback", "occurred_at").row(0) == (
        5.0,
        1,
        datetime(2014, 5, 13, 16, 53, 20, tzinfo=UTC),
    )
    assert batch.items.select("raw_id", "title", "categories").row(0) == ("B01", "Tea", ["Food", "Hot"])


# --- what a configuration sets goes before the ready mapping


def test_another_rule_takes_the_place_of_the_ready_one() -> None:
    graded = ReadySource.model_validate({"kind": "taobao", "path": "x", "positive": ["buy"]})
    assert graded.positive == ["buy"] and graded.grades["buy"] == 3
    purchases = ReadySource.model_validate({"kind": "amazon", "path": "x", "positive": "all"})
    assert purchases.positive_above is None and not purchases.has_refusals
    watched = ReadySource.model_validate({"kind": "kuairand", "path": "x", "positive_above": 5000})
    assert watched.columns.feedback is None and watched.columns.value == "play_time_ms"
    assert watched.items is None and watched.name == "kuairand"


def test_what_was_stored_with_a_run_is_read_again_as_it_was() -> None:
    first = ReadySource.model_validate(
        {"kind": "mind", "path": "x", "items": {"path": "y"}, "columns": {"session": "impression_id"}}
    )
    assert ReadySource.model_validate(first.model_dump(mode="json")) == first
