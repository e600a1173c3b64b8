"""What a flow hands over to be published, and what it gets back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl


@dataclass(frozen=True)
class ReleaseDraft:
    """Where a release comes from.

    Attributes:
        run_id: the run that made it.
        kind: refresh, rebuild, retrain, rollback or forget.
        code_version: version of hsrl, and commit where it is known.
        config: the settings used, as plain values; no secrets.
        seed: seed of every random choice.
        inputs: fingerprints of what it was made from (ingest_id, artifact_id).
        restores: the release that a rollback goes back to; None = it is built upon the last one.
    """

    run_id: str
    kind: str
    code_version: str
    config: Mapping[str, Any]
    seed: int
    inputs: tuple[str, ...]
    restores: int | None = None


@dataclass(frozen=True)
class Changes:
    """The rows that turn the last release into the next, by table name. Applied in the order of the attributes.

    Attributes:
        delete: tables from which the rows with the values of the frame's columns go.
        replace_files: bulk tables whose whole content becomes these Parquet files (embeddings each night).
        register: bulk tables that grow by these Parquet files. Files are linked into the warehouse, the staged ones stay.
        replace: tables whose whole content becomes the frame.
        upsert: tables in which rows with the same key are replaced and others added.
        append: tables that grow by the frame.
        file_inputs: for a file, the fingerprints of what it was made from; where absent, the inputs of the draft.
    """

    delete: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    replace_files: Mapping[str, list[Path]] = field(default_factory=dict)
    register: Mapping[str, list[Path]] = field(default_factory=dict)
    replace: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    upsert: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    append: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    file_inputs: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True where there is nothing to publish; replacing by an empty frame is something."""
        grows = any(paths for paths in self.register.values()) or any(
            not frame.is_empty() for frames in (self.delete, self.upsert, self.append) for frame in frames.values()
        )
        return not (grows or self.replace_files or self.replace)


@dataclass(frozen=True)
class Release:
    """A published release.

    Attributes:
        release_id: 1 = first.
        snapshot_id: the DuckLake snapshot that holds it; None once that has expired.
        run_id: the run that made it.
        kind: refresh, rebuild, retrain or rollback.
    """

    release_id: int
    snapshot_id: int | None
    run_id: str
    kind: str
