"""The nightly decision of the tokenizer as a step of the refresh, with what it took among its figures."""

import time
from dataclasses import replace

import polars as pl

from flows.runtime.resources import peak_memory_mb
from pipeline.sids.config import SidsConfig
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.metrics import run_metrics
from pipeline.sids.nightly import NightDecision, decide_night


def tokenize(config: SidsConfig, seed: int, night: NightInputs, incumbents: SidIncumbents) -> NightDecision:
    """``decide_night``; its metrics also have the seconds, CPU seconds (of this process) and peak memory that the decision took."""
    wall, cpu = time.monotonic(), time.process_time()
    decision = decide_night(config, seed, night, incumbents)
    spent = (time.monotonic() - wall, time.process_time() - cpu, peak_memory_mb())
    of_run = run_metrics(night.release_id, decision.codebook.codebook_id, spent)
    return replace(decision, metrics=pl.concat([decision.metrics, of_run]))
