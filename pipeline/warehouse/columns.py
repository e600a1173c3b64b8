"""Columns that only the warehouse's own tables have (``tables``, ``result_tables``), and the shorthands by which those tables make theirs."""

import polars as pl

from pipeline.columns import TIMESTAMP, Column

TEXTS = pl.List(pl.String())


def text(name: str, doc: str, nullable: bool = False) -> Column:
    """A column of texts."""
    return Column(name, pl.String(), doc, nullable)


def count(name: str, doc: str, nullable: bool = False) -> Column:
    """A column of whole numbers."""
    return Column(name, pl.Int64(), doc, nullable)


def figure(name: str, doc: str, nullable: bool = False) -> Column:
    """A column of doubles."""
    return Column(name, pl.Float64(), doc, nullable)


def time(name: str, doc: str, nullable: bool = False) -> Column:
    """A column of times, UTC."""
    return Column(name, TIMESTAMP, doc, nullable)


CONFIG = text("config", "settings it was made with, a JSON object")
CREATED_AT = time("created_at", "when the row was written, UTC")
SEED = count("seed", "seed of every random choice")
SHA256 = text("sha256", "SHA-256 of the bytes, hexadecimal")
BYTES = count("bytes", "size in bytes")
CODE_VERSION = text("code_version", "version of hsrl, and commit where it is known")
PRESET = text("preset", "simulator preset: calibrated, released or saturating")
FAMILY = text(
    "family",
    "kind of simulated users: latent, attention, frozen_attention, factorisation, trees or deep_sets; joined by + for several",
)
KIND = text(
    "kind",
    "own (judged where it learned), transferred (that family, fitted on other data by another seed), panel (other families), or reference",
)
UNSUPPORTED_SHARE = figure(
    "unsupported_share",
    "share of shown places without support in the log: shown to the user before where the log shows nobody an item twice, or never shown at all",
)
SIMULATOR_ID = text("simulator_id", "fingerprint of the simulator")
POLICY_ID = text("policy_id", "fingerprint of the policy")
TEMPER_LAW = figure(
    "temper_law", "(1 + K) · depth - K · total_reward: patience that a session spent, in the mean; see the audit temper_law"
)
ARTIFACT_ID = text("artifact_id", "fingerprint of the artifact: of its inputs, settings and seed")
INPUTS = Column("inputs", TEXTS, "fingerprints of what it was made from: artifact_id or ingest_id")
