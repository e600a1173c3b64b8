"""Run the parts named, or all, and put their tables into docs/results/tokenizer.md."""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.tokenizer import choice, collisions, learning, rebuild, scale, score_aware, stability
from benchmarks.tokenizer.report import Section

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "tokenizer.md"
PARTS: dict[str, Callable[[], Section]] = {
    "one-night": stability.single_night,
    "thirty-nights": stability.thirty_nights,
    "score-aware-nights": score_aware.score_aware_nights,
    "policy-after-rebuild": rebuild.after_rebuild,
    "unique": collisions.unique,
    "ways": choice.by_way,
    "fits": choice.by_fit,
    "objective": learning.objective,
    "use-and-tree": learning.use_and_tree,
    "speed": scale.speed,
    "same-bytes": scale.same_bytes,
}
HEAD = """# The tokenizer, measured

Made by `python -m benchmarks.tokenizer` (a part alone: `python -m benchmarks.tokenizer one-night`);
every row of a table was measured in the same run, one thread.
"""


def main(wanted: list[str]) -> None:
    """Measure ``wanted`` parts and replace their sections; the others stay."""
    if unknown := sorted(set(wanted) - set(PARTS)):
        sys.exit(f"unknown parts {unknown}; known are {', '.join(PARTS)}")
    known = dict(re.findall(r"<!-- (\S+) -->\n(.*?)(?=\n<!-- |\Z)", RESULTS.read_text(), re.S)) if RESULTS.exists() else {}
    for name in wanted or PARTS:
        began = time.process_time()
        known[name] = PARTS[name]().markdown()
        print(f"{name}: {time.process_time() - began:.0f} CPU s\n{known[name]}", flush=True)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(HEAD + "".join(f"\n<!-- {name} -->\n{known[name].strip()}\n" for name in PARTS if name in known))


if __name__ == "__main__":
    main(sys.argv[1:])
