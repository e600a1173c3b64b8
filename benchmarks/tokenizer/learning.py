"""The codebook's objective, its use of codes, and whether it finds the category tree."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from benchmarks.tokenizer.nights import plain
from benchmarks.tokenizer.report import Section
from benchmarks.tokenizer.stability import WORLDS
from benchmarks.tokenizer.worlds import BRANCHING, Matrix, clouds, frame_of, vectors_of
from pipeline.sids.config import SidsConfig
from pipeline.sids.learn import learn_codebook

SEEDS = range(5)
FEW_ROUNDS = 8
MORE_CODES = {"ml-1m": (256,)}  # beside the vocabulary of its configuration
RANDOM = "faiss, its random initialisation"
Learn = Callable[[Matrix, int], tuple[Matrix, ...]]


def objective() -> Section:
    """Mean squared error after all levels, over five seeds, and on vectors that were not learned from."""
    rows, defaults = [], SidsConfig()
    for name, vectors, vocabulary in _worlds():
        order = np.random.default_rng(0).permutation(len(vectors))
        cut = len(vectors) * 3 // 4
        found = {way: _scored(way, learn, vectors, order[:cut], order[cut:]) for way, learn in _ways(vocabulary).items()}
        base = found[RANDOM].mse.mean()
        held_base = found[RANDOM].held_out.mean()
        rows += [
            [
                name,
                f"3 × {vocabulary}",
                way,
                f"{scored.mse.mean():.5f} ± {scored.mse.std(ddof=1):.5f}",
                f"{scored.mse.mean() / base:.3f}",
                f"{scored.held_out.mean() / held_base:.3f}",
                f"{scored.cpu_seconds:.2f}",
            ]
            for way, scored in found.items()
        ]
    return Section(
        f"Codebook objective: MSE after three levels, mean ± deviation over {len(SEEDS)} seeds",
        ["world", "codes", "way", "MSE", "÷ faiss random", "held out ÷ faiss random", "CPU s a codebook"],
        rows,
        f"Ours: k-means++ on a hash sample, {defaults.iterations} iterations of k-means a level, then rounds in which all levels are fitted "
        "together. The others: 25 iterations a level; scikit-learn with its own stopping rule and one start. Held out: the same "
        "learned from three quarters of the vectors, MSE of the last quarter.",
    )


@dataclass(frozen=True)
class Scored:
    """A way to learn: (seeds,) MSE of the vectors learned from and of others, and CPU seconds a codebook."""

    mse: npt.NDArray[np.float64]
    held_out: npt.NDArray[np.float64]
    cpu_seconds: float


def _scored(way: str, learn: Learn, vectors: Matrix, known: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> Scored:
    print(f"  {way} on {len(vectors):,} vectors", flush=True)
    with threadpool_limits(limits=1):
        began = time.process_time()
        levels = [learn(vectors, seed) for seed in SEEDS]
        cpu = (time.process_time() - began) / len(SEEDS)
        mse = [_error(vectors, codes) for codes in levels]
        held_out = [_error(vectors[others], learn(vectors[known], seed)) for seed in SEEDS]
    return Scored(np.array(mse), np.array(held_out), cpu)


def _ways(vocabulary: int) -> dict[str, Learn]:
    config = SidsConfig(vocabulary=vocabulary)
    rounds = config.joint_rounds
    return {
        f"**hsrl, {rounds} rounds together**": lambda vectors, seed: _ours(vectors, config, seed),
        f"hsrl, {FEW_ROUNDS} rounds": lambda vectors, seed: _ours(
            vectors, config.model_copy(update={"joint_rounds": FEW_ROUNDS}), seed
        ),
        RANDOM: lambda vectors, seed: _by_level(vectors, lambda rows: _faiss(rows, vocabulary, seed)),
        "scikit-learn, k-means++": lambda vectors, seed: _by_level(vectors, lambda rows: _sklearn(rows, vocabulary, seed)),
    }


def _worlds() -> list[tuple[str, Matrix, int]]:
    found = []
    for name, (nights, config, width) in WORLDS.items():
        night = next(nights(0))
        vectors = vectors_of(night.embed(night.learn(width)).filter("has_signal"))
        found += [(name, vectors, codes) for codes in dict.fromkeys((config.vocabulary_per_level[0], *MORE_CODES.get(name, ())))]
    return [*found, ("20k vectors in a tree of clouds", clouds(20_000, 64), 256)]


def _ours(vectors: Matrix, config: SidsConfig, seed: int) -> tuple[Matrix, ...]:
    return learn_codebook(frame_of(np.arange(len(vectors)), vectors), config, seed).centroids


def _by_level(vectors: Matrix, cluster: Callable[[Matrix], Matrix]) -> tuple[Matrix, ...]:
    residual, levels = vectors.copy(), []
    for _ in range(3):
        levels.append(cluster(residual))
        residual -= levels[-1][faiss.knn(residual, levels[-1], 1)[1][:, 0]]
    return tuple(levels)


def _error(vectors: Matrix, levels: tuple[Matrix, ...]) -> float:
    residual = vectors.copy()
    for level in levels:
        residual -= level[faiss.knn(residual, level, 1)[1][:, 0]]
    return float((residual.astype(np.float64) ** 2).sum(axis=1).mean())


def _faiss(rows: Matrix, codes: int, seed: int) -> Matrix:
    kmeans = faiss.Kmeans(
        rows.shape[1], codes, niter=25, seed=seed, min_points_per_centroid=1, max_points_per_centroid=-(-len(rows) // codes)
    )
    kmeans.train(rows)
    return np.array(kmeans.centroids, dtype=np.float32).reshape(codes, -1)


def _sklearn(rows: Matrix, codes: int, seed: int) -> Matrix:
    return np.asarray(KMeans(codes, n_init=1, max_iter=25, random_state=seed).fit(rows).cluster_centers_, dtype=np.float32)


def use_and_tree() -> Section:
    """Codes used by every level, and mutual information of prefixes with the categories, real and shuffled."""
    rows = []
    nights, _, width = WORLDS["generated"]
    tree = {"generated, as many codes as the tree has branches": (nights, SidsConfig(vocabulary=(*BRANCHING, 64)), width)}
    for name, (nights, config, width) in (WORLDS | tree).items():
        night = next(nights(0))
        embeddings = night.embed(night.learn(width)).filter("has_signal")
        names = embeddings.join(night.items.select("item_id", "categories"), on="item_id", how="left", maintain_order="left")[
            "categories"
        ]
        vectors = vectors_of(embeddings)
        book = learn_codebook(embeddings, config, seed=0)
        tokens = plain(vectors, book).tokens
        used = [len(np.unique(tokens[:, level])) / codes for level, codes in enumerate(book.vocabulary)]
        paths = [names.list.head(depth).list.join("/").fill_null("").to_numpy().astype(str) for depth in (1, 2)]
        labels = [np.unique(path, return_inverse=True)[1] for path in paths]
        shuffled = vectors[np.random.default_rng(0).permutation(len(vectors))]
        null = plain(shuffled, book).tokens
        scores = []
        for depth, score in itertools.product((0, 1), (normalized_mutual_info_score, adjusted_mutual_info_score)):
            real, chance = (score(_numbered(of[:, : depth + 1]), labels[depth]) for of in (tokens, null))
            scores.append(f"{real:.3f} ({chance:.3f})")
        rows.append([name, " / ".join(f"{share:.1%}" for share in used), *scores])
    return Section(
        "Codes used, and the category tree found again",
        ["world", "codes used by level", "NMI level 1", "**AMI level 1**", "NMI levels 1–2", "**AMI levels 1–2**"],
        rows,
        f"Level 1 against the category, levels 1–2 against the subcategory; in brackets the same for shuffled vectors. Generated feed: "
        f"{BRANCHING[0]} categories of {BRANCHING[1]} subcategories. MovieLens: the first genre, the first two. NMI rises with the number "
        "of prefixes by chance alone, as the brackets show; AMI takes that off. Many more prefixes than categories lower both even "
        "for a perfect tree: the row with as many codes as branches asks whether the tree is there.",
    )


def _numbered(prefixes: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
    return np.unique(prefixes, axis=0, return_inverse=True)[1].ravel()
