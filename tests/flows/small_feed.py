"""The small generated feed of the flows' tests: two days make a warehouse in about two seconds."""

from pathlib import Path
from typing import Any

from flows.refresh import Wish, refresh
from flows.run import Run
from flows.settings import Settings, load_settings
from flows.steps import DirectSteps

TOML = """
[source]
kind = "generated"
path = "RAW"
days = DAYS
users = 40
items = 80
new_items_per_day = 2
vanishing_items_per_day = 1
[ingest]
buckets = 2
[engine]
lock_timeout_seconds = 60
[sids]
levels = 2
vocabulary = VOCABULARY
[embeddings]
width = 4
"""


def settings_of(root: Path, days: int, vocabulary: int = 4) -> Settings:
    """Settings of the feed after ``days`` days; its files lie beside the warehouse's folder."""
    config = root.parent / f"{days}-{vocabulary}.toml"
    toml = TOML.replace("DAYS", str(days)).replace("VOCABULARY", str(vocabulary)).replace("RAW", str(root.parent / "raw"))
    config.write_text(toml)
    return load_settings(config, root)


def night(root: Path, days: int, vocabulary: int = 4, **wish: Any) -> dict[str, Any]:
    """A refresh after ``days`` days."""
    return refresh(settings_of(root, days, vocabulary), root, Run("daily-refresh"), DirectSteps(), Wish(**wish))
