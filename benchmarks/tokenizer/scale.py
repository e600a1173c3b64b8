"""CPU seconds and memory of learning, appending and encoding; and whether the bytes are always the same."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from benchmarks.tokenizer.measure import measured
from benchmarks.tokenizer.report import Section
from benchmarks.tokenizer.stability import catalogue
from benchmarks.tokenizer.worlds import clouds, frame_of
from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.embeddings.embed import embed, learn
from pipeline.embeddings.vector_file import open_vectors
from pipeline.sids.assign import assign
from pipeline.sids.capacity import CapacityRules, Seekers, assign_free_sids
from pipeline.sids.codebook import Codebook
from pipeline.sids.config import SidsConfig
from pipeline.sids.encode import encode
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.learn import learn_codebook
from pipeline.sids.names import fixed_hash

CONFIG = SidsConfig(vocabulary=256)
WIDTH, MANY = 64, 10_000_000
PLACE = Path(tempfile.gettempdir()) / "hsrl-benchmark-vectors.f32"


def rebuild() -> Callable[[], str]:
    """100k × 64, three levels."""
    frame = frame_of(np.arange(100_000), clouds(100_000, WIDTH))
    return lambda: learn_codebook(frame, CONFIG, 0).codebook_id


def append(n_before: int, n_new: int) -> Callable[[], int]:
    """A night of ``n_new`` items, with the vectors of the others unchanged; everyone is asked all the same."""
    vectors = clouds(n_before + n_new, WIDTH)
    frame, items = frame_of(np.arange(len(vectors)), vectors), catalogue(np.arange(len(vectors)))
    book = learn_codebook(frame.head(30_000), CONFIG, 0)
    rules = CONFIG.assignment_rules
    first = assign(NightInputs(1, items.head(n_before), frame.head(n_before)), book, SidIncumbents(), rules).upserts

    def night() -> int:
        return assign(NightInputs(2, items, frame), book, SidIncumbents(first), rules).upserts.height

    return night


def embed_external(n: int) -> Callable[[], int]:
    """Learn and embed n external vectors."""
    item_ids = np.arange(n)
    vectors = np.random.default_rng(0).standard_normal((n, WIDTH), dtype=np.float32)
    column = pl.Series(vectors, dtype=pl.Array(pl.Float32, WIDTH)).arr.to_list()
    external, items = pl.DataFrame({"item_id": item_ids, "vector": column}), catalogue(item_ids)
    config = EmbeddingsConfig(parts=("external",), external_path="vectors.parquet")
    return lambda: embed(learn(items, [], config, 0, external), items, [], external).height


def unique_sids(n: int, n_close: int) -> Callable[[], int]:
    """A Semantic ID of its own for each of n items, of which ``n_close`` have nearly the same vector."""
    vectors = clouds(n, WIDTH).copy()
    noise = np.random.default_rng(0).standard_normal((n_close, WIDTH)).astype(np.float32)
    vectors[:n_close] = vectors[0] + np.float32(1e-3) * noise
    book = learn_codebook(frame_of(np.arange(n), vectors).head(30_000), CONFIG.model_copy(update={"iterations": 5}), 0)
    seekers, nobody = Seekers.all_new(vectors, fixed_hash(np.arange(n)), book), np.zeros(0, dtype=np.uint64)
    return lambda: int(assign_free_sids(seekers, book, nobody, CapacityRules()).is_assigned.sum())


def encode_many() -> Callable[[], int]:
    """10M vectors from a file, chunk by chunk."""
    book = _book()
    return lambda: sum(len(encode(rows.vectors, book).tokens) for rows in open_vectors(PLACE, "encode", raw_width=WIDTH).chunks())


def encode_loop(n: int) -> Callable[[], int]:
    """The same by a Python loop over vectors and levels."""
    book, vectors = _book(), np.memmap(PLACE, dtype=np.float32, mode="r", shape=(MANY, WIDTH))[:n].copy()

    def loop() -> int:
        count = 0
        for vector in vectors:
            residual = vector
            for codes in book.centroids:
                residual = residual - codes[((residual - codes) ** 2).sum(axis=1).argmin()]
            count += 1
        return count

    return loop


def _book() -> Codebook:
    vectors = np.memmap(PLACE, dtype=np.float32, mode="r", shape=(MANY, WIDTH))[:30_000].copy()
    return learn_codebook(frame_of(np.arange(len(vectors)), vectors), CONFIG.model_copy(update={"iterations": 5}), 0)


def speed() -> Section:
    """All timed work, each in a process of its own."""
    rows = []
    built = measured(rebuild)
    rows.append(["rebuild 100k × 64, 3 × 256", f"{built.cpu_seconds:.1f}", f"{built.peak_mb:,.0f}", "≤ 10 CPU s"])
    night = measured(append, 1_000_000, 1_000)
    rows.append(["append 1,000 to 1M, everyone asked", f"{night.cpu_seconds:.2f}", f"{night.peak_mb:,.0f}", ""])
    brought = measured(embed_external, 1_000_000)
    rows.append(["learn and embed 1M × 64 external", f"{brought.cpu_seconds:.1f}", f"{brought.peak_mb:,.0f}", "≤ 1.5 GB"])
    unique = measured(unique_sids, 200_000, 442)
    rows.append(["a SID each for 200k, 442 close", f"{unique.cpu_seconds:.1f}", f"{unique.peak_mb:,.0f}", "≤ 20 CPU s"])
    _write_many()
    try:
        many, loop = measured(encode_many), measured(encode_loop, 5_000)
    finally:
        PLACE.unlink()
    rate, slow = MANY / many.cpu_seconds, 5_000 / loop.cpu_seconds
    rate_text = f"{many.cpu_seconds:.1f} ({rate / 1e6:.2f}M items a CPU s)"
    rows.append([f"encode {MANY // 10**6}M × 64 from a file", rate_text, f"{many.peak_mb:,.0f}", "≥ 0.5M, ≤ 1 GB"])
    rate_text = f"{loop.cpu_seconds:.2f} ({slow:,.0f} items a CPU s: {rate / slow:.0f} × slower)"
    rows.append(["… by a Python loop (5,000 items)", rate_text, f"{loop.peak_mb:,.0f}", "≥ 20 × slower"])
    note = "Vectors: a tree of clouds. Peak memory is that of the whole process."
    return Section("Speed and memory", ["work", "CPU s", "peak MB", "to reach"], rows, note)


def _write_many() -> None:
    out = np.memmap(PLACE, dtype=np.float32, mode="w+", shape=(MANY, WIDTH))
    block = clouds(500_000, WIDTH)
    for start in range(0, MANY, len(block)):
        out[start : start + len(block)] = np.roll(block, start // len(block), axis=1)
    out.flush()


def same_bytes() -> Section:
    """The codebook's fingerprint and all tokens under threads and shuffles."""
    vectors = clouds(30_000, WIDTH)
    frame = frame_of(np.arange(len(vectors)), vectors)
    ways: dict[str, tuple[pl.DataFrame, int]] = {
        "one thread": (frame, 1),
        "again": (frame, 1),
        "two threads": (frame, 2),
        "rows shuffled": (frame.sample(fraction=1.0, shuffle=True, seed=3), 1),
    }
    rows, first = [], None
    for way, (given, threads) in ways.items():
        with threadpool_limits(limits=threads):
            book = learn_codebook(given, CONFIG.model_copy(update={"iterations": 10}), 0)
            tokens = encode(vectors, book).tokens.tobytes()
        first = first or (book.codebook_id, tokens)
        rows.append([way, book.codebook_id, "yes" if (book.codebook_id, tokens) == first else "NO"])
    return Section("The same bytes", ["run", "codebook", "codebook and all tokens as in the first run"], rows)
