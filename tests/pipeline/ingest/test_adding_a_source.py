"""The source of docs/adding-a-source.md is registered as the page says, and its log becomes a release."""

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flows.refresh.flow import refresh
from flows.runtime.run import Run
from flows.runtime.settings import Settings
from flows.runtime.steps import DirectSteps
from pipeline.ingest import registry
from pipeline.warehouse.adhoc import run_sql

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-source.md"


def module_of(name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(code, name, "exec"), module.__dict__)  # noqa: S102 our own page
    return module


@pytest.fixture
def settings_class(monkeypatch: pytest.MonkeyPatch) -> type[Settings]:
    """The settings of a project with the page's file, and the page's lines in the registry."""
    file, lines = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module_of("pipeline.ingest.access_log", file, monkeypatch)
    imported, entry = lines.strip("\n").split("\n")
    text = Path(registry.__file__).read_text(encoding="utf-8")
    text = text.replace("\nfrom pipeline.ingest.section", f"\n{imported}\nfrom pipeline.ingest.section")
    text = text.replace("    TableSource,\n", f"    TableSource,\n{entry}\n")
    registered = module_of("registry_with_the_page_s_source", text, monkeypatch)

    class WithItsSource(Settings):
        source: registered.SourceConfig

    return WithItsSource


def test_the_page_s_source_becomes_a_release(tmp_path: Path, settings_class: type[Settings]) -> None:
    """40 users at 25 of 30 items each, every third of which goes into the cart; and a line of each fault."""
    (config,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [
        f"2026-01-05T10:{n:02}:{user:02}Z {'POST' if (user + n) % 3 == 0 else 'GET'} /item/{(7 * user + 11 * n) % 30}?user={user}"
        for user in range(40)
        for n in range(25)
    ]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "1.log").write_text("\n".join([*lines, "then GET /item/1?user=1", lines[0] + "&more", "GET /"]) + "\n")
    read = tomllib.loads(config.replace("logs/", f"{tmp_path}/logs/"))
    report = refresh(settings_class(**read), tmp_path / "w", Run("daily-refresh"), DirectSteps())
    assert (report["n_accepted"], report["n_users"], report["n_items"]) == (1000, 40, 30)
    assert report["rejected"] == {
        "time is not an ISO 8601 time": 1,
        "url is not /item/ITEM?user=USER": 1,
        "wrong number of fields": 1,
    }
    first = run_sql(tmp_path / "w", "SELECT item_id, feedback FROM events WHERE user_id = 3 ORDER BY user_seq LIMIT 2")
    assert first.rows() == [(21, 1), (2, 0)]
    kept = run_sql(tmp_path / "w", "SELECT setting, value FROM source_meanings ORDER BY ALL").rows()
    assert ("source.positive", '"POST"') in kept and "source.path" not in dict(kept)
