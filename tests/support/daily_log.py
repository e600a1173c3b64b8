"""A folder of daily files of a small log, and its warehouse, worked by commands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.warehouse.adhoc import run_sql
from tests.support.configurations import LONG_COLUMNS, log_toml


class Shop:
    """A folder of daily files and a warehouse."""

    def __init__(self, folder: Path, hsrl: Callable[..., Any]) -> None:
        self.folder, self.root, self.hsrl = folder, folder / "w", hsrl
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        self.config = folder / "log.toml"
        text = log_toml("logs/*.csv", LONG_COLUMNS, codes=(1, 4)).replace("[ingest]", "[ingest]\nquarantine_limit = 0.2")
        self.config.write_text(text)

    def deliver(self, day: int, rows: pl.DataFrame) -> None:
        rows.write_csv(self.folder / "logs" / f"day-{day}.csv")
        self.run("refresh")

    def run(self, command: str, *options: str, code: int = 0) -> Any:
        config = () if command in ("verify", "gc", "status") else ("--config", self.config)
        result = self.hsrl(command, *config, "--warehouse", self.root, *options)
        assert result.code == code, result.err
        return result

    def ask(self, sql: str) -> pl.DataFrame:
        return run_sql(self.root, sql)
