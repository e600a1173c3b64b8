"""What a release records of the deliveries it takes in: INGESTS, INGEST_FILES, INGEST_LINES and SOURCE_MEANINGS."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from flows.refresh.release_inputs import ReleaseInputs
from flows.refresh.staging import StagedDelivery
from pipeline.contracts import check, rows_of
from pipeline.ingest.meaning import Meaning, meaning_of
from pipeline.ingest.section import SourceSection
from pipeline.warehouse.tables import INGEST_FILES, INGEST_LINES, INGESTS, SOURCE_MEANINGS


def rows_of_deliveries(inputs: ReleaseInputs, config: SourceSection, stored: Mapping[str, Meaning]) -> dict[str, pl.DataFrame]:
    """What a release records of its new deliveries, by the names of the tables.

    Args:
        inputs: what the release is made from.
        config: the source's section.
        stored: what gives the stored rows their meaning.
    """
    staged = inputs.staged
    own_times = [delivery.counts_own_time for delivery in staged if delivery.counts_own_time is not None]
    now = meaning_of(config, staged[-1].kinds if staged else None, counts_own_time=own_times[0] if own_times else None)
    return {
        **_ingest_rows(staged, config.name, inputs.release_id, inputs.incumbent.n_ingests),
        "source_meanings": _meaning_rows(stored, now, config.name, inputs.release_id),
    }


def _ingest_rows(staged: Sequence[StagedDelivery], source: str, release_id: int, n_before: int) -> dict[str, pl.DataFrame]:
    """INGESTS (after ``n_before`` earlier ones), INGEST_FILES and INGEST_LINES of the staged deliveries, by the names of their tables."""
    ingests, files, lines = [], [], [INGEST_LINES.empty()]
    for sequence, delivery in enumerate(staged, start=n_before):
        ingest_id, snapshots = delivery.new.ingest_id, delivery.new.snapshots
        counts = delivery.frame("counts").row(0, named=True)
        ingests.append(
            {
                "ingest_id": ingest_id,
                "source": source,
                "delivery_id": delivery.new.delivery.id,
                "sequence": sequence,
                "release_id": release_id,
                "replaces": list(delivery.new.replaces),
                **{name: counts[name] for name in INGESTS.schema if name in counts},
            }
        )
        files += [
            {"ingest_id": ingest_id, "file": name, "sha256": snapshot.sha256, "bytes": snapshot.n_bytes}
            for name, snapshot in zip(_names(delivery.new.delivery.files), snapshots, strict=True)
        ]
        hashes = {str(snapshot.path): snapshot.sha256 for snapshot in snapshots}
        read = delivery.frame("lines").with_columns(
            ingest_id=pl.lit(ingest_id), sha256=pl.col("path").replace_strict(hashes, return_dtype=pl.String)
        )
        lines.append(read.select(INGEST_LINES.empty().columns).cast(INGEST_LINES.schema))
    return {
        "ingests": rows_of(INGESTS, ingests, "ingest"),
        "ingest_files": rows_of(INGEST_FILES, files, "ingest"),
        "ingest_lines": check(pl.concat(lines), INGEST_LINES, "ingest"),
    }


def _meaning_rows(stored: Mapping[str, Meaning], now: Mapping[str, str], source: str, release_id: int) -> pl.DataFrame:
    """SOURCE_MEANINGS that the release adds: what is new, or was accepted to be another."""
    fresh = [
        {"source": source, "setting": setting, "value": value, "release_id": release_id}
        for setting, value in now.items()
        if setting not in stored or stored[setting].value != value
    ]
    return rows_of(SOURCE_MEANINGS, fresh, "ingest")


def _names(files: Sequence[Path]) -> list[str]:
    """The files' names, with as many of their folders as make them different."""
    names = [file.name for file in files]
    if len(set(names)) == len(names):
        return names
    return [os.path.relpath(file, os.path.commonpath(files)) for file in files]
