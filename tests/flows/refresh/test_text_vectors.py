"""The recipe of docs/tokenizer.md from titles and categories to Semantic IDs, run as the page shows it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.warehouse.adhoc import run_sql
from tests.support.configurations import log_toml

PAGE = Path(__file__).parents[3] / "docs" / "tokenizer.md"
THEMES = {"Drama": "love loss family", "Space": "stars ship orbit", "Western": "horse desert duel", "Music": "song band stage"}


def catalogue(n: int) -> pl.DataFrame:
    """n items in turn of four themes, each with two words of its theme in its title and a word of its own."""
    rows = []
    for number in range(n):
        theme, words = list(THEMES.items())[number % 4]
        some = words.split()
        rows.append((f"i{number}", f"{some[number % 3]} {some[(number + 1) % 3]} number{number}", theme + "|Film"))
    return pl.DataFrame(rows, schema=["item", "title", "genres"], orient="row")


def test_texts_become_semantic_ids_and_a_new_item_moves_nobody(hsrl: Callable[..., Any], tmp_path: Path) -> None:
    """Items of one theme share their first token, which no other theme has; the vectors of the first night stay when one more comes."""
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?def write_vectors.*?)```", text, re.DOTALL)
    (keys,) = re.findall(r"```toml\n\[embeddings\]\n(.*?external_path = \"vectors.*?)```", text, re.DOTALL)
    page: dict[str, Any] = {}
    exec(compile(code, "docs/tokenizer.md", "exec"), page)  # noqa: S102 our own page
    rows = [
        f"{user},i{(7 * user + 11 * n) % 80},{1000 * user + n},{(user + n) % 3 // 2}\n" for user in range(20) for n in range(20)
    ]
    (tmp_path / "log.csv").write_text("user,item,at,clicked\n" + "".join(rows))
    (tmp_path / "c.toml").write_text(log_toml(codes=(2, 4), embeddings=keys))
    page["write_vectors"](catalogue(80), tmp_path)
    first = pl.read_parquet(tmp_path / "vectors.parquet")
    ran = hsrl("refresh", "--config", tmp_path / "c.toml", "--warehouse", tmp_path / "w")
    assert ran.code == 0, ran.err
    found = run_sql(tmp_path / "w", "select raw_id, tokens[1] as token from sids")
    themes = found.with_columns(theme=pl.col("raw_id").str.strip_prefix("i").cast(pl.Int64) % 4)
    assert found.height == 80 and themes.select("theme", "token").unique().height == 4
    page["write_vectors"](catalogue(81), tmp_path)
    assert pl.read_parquet(tmp_path / "vectors.parquet").head(80).equals(first)
