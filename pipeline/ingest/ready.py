"""Ready mappings of published logs: ``kind = "kuairand"`` is a table whose columns and answers are known; only paths are to be named."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.ingest.table_config import TableSource

Kind = Literal["rl4rs", "kuairand", "taobao", "obd", "recbole", "mind", "amazon", "amazon-2023", "yelp", "sequences"]
# Of these one decides what is positive: who sets one does without those of the ready mapping.
_DECIDE = ("positive", "positive_above", "positive_where")

READY: Mapping[str, Mapping[str, Any]] = {
    # RL4RS (NetEase; Wang et al., SIGIR 2023): a slate a row, 9 items; users are told from each other by their profile.
    "rl4rs": {
        "separator": "@",
        "quote": "",
        "lists": ["item", "feedback"],
        "list_separator": ",",
        "delivery": "all",
        "columns": {
            "user": "user_protrait",
            "item": "exposed_items",
            "time": "timestamp",
            "feedback": "user_feedback",
            "request": ["session_id", "sequence_id"],
            "session": "session_id",
            "policy": "behavior_policy_id",
        },
        "items": {
            "separator": " ",
            "quote": "",
            "columns": {"item": "item_id", "categories": ["location", "special_item"]},
        },
    },
    # KuaiRand (Gao et al., CIKM 2022): log_standard* and log_random*; is_rand says which policy showed the video.
    "kuairand": {
        "time_unit": "ms",
        "identity": [],
        "delivery": "all",
        "may_lack": ["is_rand", "tab"],
        "columns": {
            "user": "user_id",
            "item": "video_id",
            "time": "time_ms",
            "feedback": "is_click",
            "value": "play_time_ms",
            "session": "tab",
            "policy": "is_rand",
        },
        "items": {
            "category_separator": ",",
            "columns": {"item": "video_id", "categories": ["video_type", "upload_type", "tag"]},
        },
        "users": {"columns": {"user": "user_id"}},
    },
    # UserBehavior of Taobao (Tianchi, data set 649): nine days of Chinese time.
    "taobao": {
        "has_header": False,
        "names": ["user_id", "item_id", "category_id", "behavior", "timestamp"],
        "utc_offset": "+08:00",
        "first_day": "2017-11-25",
        "last_day": "2017-12-03",
        "positive": ["cart", "fav", "buy"],
        "grades": {"pv": 0, "fav": 1, "cart": 2, "buy": 3},
        "columns": {
            "user": "user_id",
            "item": "item_id",
            "time": "timestamp",
            "feedback": "behavior",
            "categories": ["category_id"],
        },
    },
    # Open Bandit Dataset (Saito et al., NeurIPS 2021): {policy}/{campaign}/{campaign}.csv; item ids are those of a campaign.
    "obd": {
        "path_columns": "{policy}/{campaign}/{campaign}.csv",
        "time_unit": "iso",
        "delivery": "all",
        "columns": {
            "user": ["user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3"],
            "item": ["campaign", "item_id"],
            "time": "timestamp",
            "feedback": "click",
            "position": "position",
            "policy": "policy",
            "propensity": "propensity_score",
        },
        "items": {
            "path_columns": "{campaign}/item_context.csv",
            "columns": {
                "item": ["campaign", "item_id"],
                "categories": ["campaign", "item_feature_1", "item_feature_2", "item_feature_3"],
            },
        },
    },
    # RecBole's atomic files (Zhao et al., CIKM 2021): DATA.inter and DATA.item.
    "recbole": {
        "positive_above": 3,
        "columns": {"user": "user_id", "item": "item_id", "time": "timestamp", "value": "rating"},
        "items": {
            "category_separator": " ",
            "may_lack": ["movie_title", "class"],
            "columns": {"item": "item_id", "title": "movie_title", "categories": ["class"]},
        },
        "users": {"columns": {"user": "user_id"}},
    },
    # MIND (Wu et al., ACL 2020): behaviors.tsv has an impression a row, N55689-1 N35729-0 …; news.tsv is the catalogue.
    "mind": {
        "separator": "\t",
        "quote": "",
        "has_header": False,
        "names": ["impression_id", "user_id", "time", "history", "impressions"],
        "time_format": "%m/%d/%Y %I:%M:%S %p",
        "lists": ["item"],
        "list_separator": " ",
        "answer_after": "-",
        "columns": {"user": "user_id", "item": "impressions", "time": "time", "request": "impression_id"},
        "items": {
            "separator": "\t",
            "quote": "",
            "has_header": False,
            "names": ["news_id", "category", "subcategory", "title", "abstract", "url", "title_entities", "abstract_entities"],
            "columns": {"item": "news_id", "title": "title", "categories": ["category", "subcategory"]},
        },
    },
    # Amazon reviews of 2014 and 2018 (He & McAuley, WWW 2016; Ni et al., EMNLP 2019): reviews_*.json.gz, meta_*.json.gz.
    "amazon": {
        "positive_above": 3,
        "columns": {"user": "reviewerID", "item": "asin", "time": "unixReviewTime", "value": "overall"},
        "items": {
            "may_lack": ["title", "categories", "category"],
            "columns": {"item": "asin", "title": "title", "categories": ["categories", "category"]},
        },
    },
    # Amazon reviews of 2023 (Hou et al., 2024): Category.jsonl, meta_Category.jsonl.
    "amazon-2023": {
        "positive_above": 3,
        "time_unit": "ms",
        "columns": {"user": "user_id", "item": "parent_asin", "time": "timestamp", "value": "rating"},
        "items": {
            "may_lack": ["title", "categories"],
            "columns": {"item": "parent_asin", "title": "title", "categories": ["categories"]},
        },
    },
    # Yelp's open data set: yelp_academic_dataset_review.json and _business.json.
    "yelp": {
        "positive_above": 3,
        "time_unit": "iso",
        "columns": {"user": "user_id", "item": "business_id", "time": "date", "value": "stars"},
        "items": {
            "category_separator": ", ",
            "columns": {"item": "business_id", "title": "name", "categories": ["categories"]},
        },
        "users": {"columns": {"user": "user_id"}},
    },
    # A user and the items a line, in the order of time, as S3-Rec's and many other papers' files: positives only.
    "sequences": {
        "format": "sequences",
        "lists": ["item"],
        "list_separator": " ",
        "positive": "all",
        "columns": {"user": "user", "item": "items"},
        "items": {"format": "map", "columns": {"item": "key", "categories": ["value"]}},
    },
}
"""Settings of ``[source]`` by kind; what a configuration sets goes before them."""


class ReadySource(TableSource):
    """A published log in its official form: a table of which only the paths are to be named (docs/sources.md)."""

    kind: Kind = Field(description="Which published log.")  # type: ignore[assignment]  # other names than that of a table

    @model_validator(mode="before")
    @classmethod
    def _with_ready_mapping(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("kind") not in READY:
            return given
        return completed(given, READY[given["kind"]])


def completed(given: Mapping[str, Any], ready: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of ``[source]`` with those of the ready mapping that are not given; files of items and users only where given.

    Who sets what is positive by another of ``positive``, ``positive_above`` and ``positive_where`` does without the ready one.
    """
    settings = {"name": given["kind"], **ready}
    settings = {
        key: value for key, value in settings.items() if key not in ("items", "users") or isinstance(given.get(key), dict)
    }
    if any(given.get(name) is not None for name in _DECIDE):
        settings = {key: value for key, value in settings.items() if key not in _DECIDE}
    if given.get("positive_above") is not None and "feedback" not in (given.get("columns") or {}):
        settings = {key: value for key, value in settings.items() if key not in ("grades", "answer_after")}
        settings["columns"] = {key: value for key, value in settings["columns"].items() if key != "feedback"}
    return _merged(settings, given)


def _merged(ready: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(ready[key], value)
        if isinstance(value, dict) and isinstance(ready.get(key), Mapping) and key != "grades"
        else value
        for key, value in given.items()
    }
    return {**ready, **both}
