"""The codebook's objective, its use of codes, and whether it finds the category tree."""

import time
from collections.abc import Callable

import faiss
import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from benchmarks.tokenizer.nights import plain
from benchmarks.tokenizer.report import Section
from benchmarks.tokenizer.stability import WORLDS
from benchmarks.tokenizer.worlds import BRANCHING, Matrix, clouds, frame_of, vectors_of
from pipeline.sids.config import SidsConfig
from pipeline.sids.learn import learn_codebook

SEEDS = range(5)


def objective() -> Section:
    """Mean squared error after all levels, over five seeds."""
    rows = []
    for name, vectors, vocabulary in _worlds():
        scores, cpus = {}, {}
        for way, mse in _ways(vectors, vocabulary).items():
            began = time.process_time()
            with threadpool_limits(limits=1):
                scores[way] = np.array([mse(seed) for seed in SEEDS])
            cpus[way] = (time.process_time() - began) / len(SEEDS)
        base = scores["faiss, its random initialisation"].mean()
        rows += [
            [
                name,
                f"3 × {vocabulary}",
                way,
                f"{score.mean():.5f} ± {score.std(ddof=1):.5f}",
                f"{score.mean() / base:.3f}",
                f"{cpus[way]:.2f}",
            ]
            for way, score in scores.items()
        ]
    return Section(
        f"Codebook objective: MSE after three levels, mean ± deviation over {len(SEEDS)} seeds",
        ["world", "codes", "way", "MSE", "÷ faiss random", "CPU s a codebook"],
        rows,
        "25 iterations a level for all; scikit-learn with its own stopping rule and one start.",
    )


def _ways(vectors: Matrix, vocabulary: int) -> dict[str, Callable[[int], float]]:
    config, frame = SidsConfig(vocabulary=vocabulary), frame_of(np.arange(len(vectors)), vectors)
    return {
        "**hsrl: k-means++ on a hash sample, faiss**": lambda seed: plain(vectors, learn_codebook(frame, config, seed)).mse,
        "faiss, its random initialisation": lambda seed: _residual(vectors, lambda rows: _faiss(rows, vocabulary, seed)),
        "scikit-learn, k-means++": lambda seed: _residual(vectors, lambda rows: _sklearn(rows, vocabulary, seed)),
    }


def _worlds() -> list[tuple[str, Matrix, int]]:
    found = []
    for name, (nights, config, width) in WORLDS.items():
        night = next(nights(0))
        found.append((name, vectors_of(night.embed(night.learn(width)).filter("has_signal")), config.vocabulary_per_level[0]))
    return [*found, ("20k vectors in a tree of clouds", clouds(20_000, 64), 256)]


def _residual(vectors: Matrix, cluster: Callable[[Matrix], Matrix]) -> float:
    residual = vectors.copy()
    for _ in range(3):
        centroids = cluster(residual)
        residual -= centroids[faiss.knn(residual, centroids, 1)[1][:, 0]]
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
        told = embeddings.join(night.items.select("item_id", "categories"), on="item_id", how="left", maintain_order="left")[
            "categories"
        ]
        vectors = vectors_of(embeddings)
        book = learn_codebook(embeddings, config, seed=0)
        tokens = plain(vectors, book).tokens
        used = [len(np.unique(tokens[:, level])) / codes for level, codes in enumerate(book.vocabulary)]
        paths = [told.list.head(depth).list.join("/").fill_null("").to_numpy().astype(str) for depth in (1, 2)]
        labels = [np.unique(path, return_inverse=True)[1] for path in paths]
        shuffled = vectors[np.random.default_rng(0).permutation(len(vectors))]
        null = plain(shuffled, book).tokens
        figures = [f"{_nmi(of[:, : depth + 1], labels[depth]):.3f}" for depth in (0, 1) for of in (tokens, null)]
        rows.append([name, " / ".join(f"{share:.1%}" for share in used), *figures])
    return Section(
        "Codes used, and the category tree found again",
        ["world", "codes used by level", "NMI level 1, category", "… shuffled", "NMI levels 1–2, subcategory", "… shuffled"],
        rows,
        f"Generated feed: {BRANCHING[0]} categories of {BRANCHING[1]} subcategories. MovieLens: the first genre, the first two. "
        "Many more prefixes than categories lower the NMI even of a perfect tree; shuffled vectors give what chance alone gives.",
    )


def _nmi(prefixes: npt.NDArray[np.uint16], labels: npt.NDArray[np.int64]) -> float:
    return float(normalized_mutual_info_score(np.unique(prefixes, axis=0, return_inverse=True)[1].ravel(), labels))
