"""`hsrl demo`: the main job on the generated feed, from raw logs to a trained policy."""

from pathlib import Path
from typing import Any

from flows.refresh.flow import refresh
from flows.retrain.flow import retrain
from flows.runtime.run import Run
from flows.runtime.settings import load_settings
from flows.runtime.steps import DirectSteps

CONFIG = Path(__file__).parents[1] / "configs" / "generated.toml"


def run_demo(root: Path) -> dict[str, Any]:
    """Refresh and retrain with the ready configuration; run again, it finds what is done already."""
    settings, steps = load_settings(CONFIG, root), DirectSteps()
    refreshed = refresh(settings, root, Run("daily-refresh"), steps)
    return {"warehouse": str(root), "refresh": refreshed, "retrain": retrain(settings, root, Run("nightly-retrain"), steps)}
