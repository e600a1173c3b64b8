"""A small generated feed, for the tests of flows and the benchmark of crashes: two days make a warehouse in two seconds."""

from pathlib import Path
from typing import Any

from flows.refresh.flow import refresh
from flows.refresh.request import RefreshRequest
from flows.runtime.run import Run
from flows.runtime.settings import Settings, load_settings
from flows.runtime.steps import DirectSteps
from pipeline.drafts import drafted

TOKENIZER = """
[sids]
levels = 2
vocabulary = 4
[embeddings]
width = 4
"""


def feed(raw: Path | str, days: int, users: int = 40, items: int = 80) -> str:
    """The sections of a configuration that describe the feed; its files lie in the folder ``raw``."""
    return f"""
[source]
kind = "generated"
path = "{raw}"
days = {days}
users = {users}
items = {items}
new_items_per_day = 2
vanishing_items_per_day = 1
[ingest]
buckets = 2
[engine]
lock_timeout_seconds = 60
"""


def config_of(root: Path, days: int, vocabulary: int = 4, more: str = "") -> Path:
    """A configuration file beside the warehouse's folder, where the raw files lie too; ``more`` sections follow."""
    config = root.parent / f"{days}-{vocabulary}{'-more' if more else ''}.toml"
    tokenizer = TOKENIZER.replace("vocabulary = 4", f"vocabulary = {vocabulary}")
    with drafted(config) as draft:  # two at once may ask for the same file
        draft.write_text(feed(root.parent / "raw", days) + tokenizer + more)
    return config


def settings_of(root: Path, days: int, vocabulary: int = 4, more: str = "") -> Settings:
    """Settings of the feed after ``days`` days."""
    return load_settings(config_of(root, days, vocabulary, more), root)


def night(root: Path, days: int, vocabulary: int = 4, **request: Any) -> dict[str, Any]:
    """A refresh after ``days`` days."""
    return refresh(settings_of(root, days, vocabulary), root, Run("daily-refresh"), DirectSteps(), RefreshRequest(**request))
