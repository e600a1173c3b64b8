"""docs/results/retrieval.md, of whatever runs are done."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks.retrieval.codes import ABLATIONS, OURS, ROWS, Row
from benchmarks.retrieval.learning import Trial
from benchmarks.retrieval.network import MOST_CODES
from benchmarks.retrieval.ranking import BEAM, NOT_FOUND, ndcg, recall
from benchmarks.retrieval.runs import LEARNING_RATES, RUNS_OF_A_ROW, SEEDS, VALIDATING_USERS, Result, chosen
from hsrl_train.evaluation.intervals import Interval, mean_interval

Figure = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]]
FIGURES: dict[str, Figure] = {
    "Recall@5": partial(recall, k=5),
    "Recall@10": partial(recall, k=10),
    "NDCG@5": partial(ndcg, k=5),
    "NDCG@10": partial(ndcg, k=10),
}
SHARES = {"popularity": "shared by popularity", "whole": "whole for every item", "equal": "shared equally"}
# TIGER (Rajput et al., NeurIPS 2023), table 1; its SASRec is that of S3-Rec (Zhou et al., CIKM 2020).
PUBLISHED = {
    "SASRec, published": ("0.0387", "0.0605", "0.0249", "0.0318"),
    "TIGER, published": ("0.0454", "0.0648", "0.0321", "0.0384"),
}


def page(results: Sequence[Result], minutes: float) -> str:
    """Markdown.

    Args:
        results: in any order.
        minutes: CPU minutes that the rows shared.
    """
    by_row: dict[str, list[Result]] = {}
    for result in results:
        by_row.setdefault(str(result.figures["row"]), []).append(result)
    tested = {name: best for name, own in by_row.items() if (best := chosen(own))}
    # a mean over other seeds is another figure: every row of a table has those that all its rows have
    main = _same_seeds({row.name: tested[row.name] for row in ROWS if row.name in tested})
    changed = {row.name: tested[row.name] for row in (_first(OURS), *ABLATIONS) if row.name in tested}
    lines = ["# Next-item retrieval on Amazon Beauty", "", method(minutes), ""]
    published = [f"| {name} | {' | '.join(values)} | | |" for name, values in PUBLISHED.items()]
    for share, words in SHARES.items():
        lines += [f"## A Semantic ID's probability {words}", "", *_table(main, share), *published, ""]
    lines += [PUBLISHED_NOTE, ""]
    if len(changed) > 1:
        changed = _same_seeds(changed)
        lines += ["## A change at a time", "", CHANGES_NOTE, ""]
        for share, words in SHARES.items():
            lines += [f"A Semantic ID's probability {words}:", "", *_table(changed, share), ""]
    lines += ["## The codes and the learning", "", CODES_NOTE, "", *_codes_table(results, {**main, **changed}), ""]
    return "\n".join(lines)


def method(minutes: float) -> str:
    """What was done, in words."""
    trial = Trial(0.0, 0.0, 0)
    sizes = trial.network
    return (
        f"`python -m benchmarks.retrieval --minutes {minutes:g}`: 22,363 users, 198,502 positives in time order, 12,101 items; each user's "
        "last item tests, the one before validates, the rest is learned from (vectors, codes and popularity too). All items are ranked "
        "but those the user had.\n\n"
        f"One decoder for every row (`benchmarks/retrieval/network.py`): a causal transformer of {sizes.n_blocks} blocks, width "
        f"{sizes.width}, over the newest {sizes.max_history} items, an item being the sum of its tokens' embeddings; then a token a level, "
        "coarse to fine, under the mask of the trie, in learning as in decoding. Nothing but its tokens is known of an item. Plain "
        f"numbers are the case of one level (SASRec with a softmax, learned against {MOST_CODES:,} drawn items). "
        f"A run learns for {minutes * 60 / len(ROWS) / RUNS_OF_A_ROW:.0f} CPU seconds on one thread; of {trial.n_checks} checks on the "
        f"last-but-one item of {VALIDATING_USERS:,} users the best is kept. Every row tries the learning rates "
        f"{' and '.join(f'{rate:g}' for rate in LEARNING_RATES)} on its first seed (of codes and decoder); the one that validates better "
        "is shown, and its second seed where the column *seeds* says so.\n\n"
        f"Decoding is a beam of {BEAM} prefixes. How the probability of a Semantic ID is shared among its items is `[learner.decoding] "
        "sid_share` of the product; the same decoders and beams are shown under all three. Whole: every item has all of it, so that one of "
        "thirty items fills the first ten places when it is likely that the next item is any of the thirty. By popularity: item i of Semantic "
        "ID z has p(z) · (1 + n_i) / Σ_{j in z} (1 + n_j), n being how often an item is in what is learned from; this also says which weights "
        "and which learning rate validate best. Equally: each has p(z) over the number of items. Items of one probability come by popularity; "
        "whatever else ties with the target stands before it. Nothing changes where no item shares its Semantic ID. Intervals are 95 %, over "
        "users and, where there are several, seeds; the last column but one is NDCG@10 less that of the first row, user by user. "
        "*SID Recall@10*: the item's Semantic ID is among the first ten, whatever its place inside."
    )


PUBLISHED_NOTE = (
    "The published figures are of the same split of as many users and items, by TIGER's table 1 (its SASRec is S3-Rec's): learned on "
    "accelerators for far longer, with T5 vectors of titles and descriptions for TIGER's Semantic IDs where there are 637 numbered "
    "attributes here. They are the yardstick, not rows of this table."
)
CHANGES_NOTE = "What separates Semantic IDs from plain numbers: each row differs from the first in what its name says, with its learning rate."
CODES_NOTE = (
    "*Shared*: items that share their Semantic ID; *largest*: items of the fullest; *missed*: targets that the beam did not reach; "
    "*codes*: CPU seconds of vectors and codes, on top of those of learning; *tried*: validation NDCG@10 of each learning rate; *checks*: "
    "of the one shown, after each quarter of its time. CPU seconds are worth less on a busy machine: epochs tell what they bought."
)


def _first(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)


def _same_seeds(tested: dict[str, list[Result]]) -> dict[str, list[Result]]:
    """The results of seeds that every row has."""
    common = set.intersection(*({result.figures["seed"] for result in own} for own in tested.values()))
    return {name: [result for result in own if result.figures["seed"] in common] for name, own in tested.items()}


def _over(results: Sequence[Result], figure: Figure, places: str) -> npt.NDArray[np.float64]:
    """(seeds, 1, users)."""
    in_order = sorted(results, key=lambda result: int(result.figures["seed"]))
    return np.stack([figure(getattr(result.ranks, places)) for result in in_order])[:, None]


def _text(interval: Interval, sign: str = "") -> str:
    return f"{interval.mean:{sign}.4f} [{interval.low:{sign}.4f} … {interval.high:{sign}.4f}]"


def _table(tested: dict[str, list[Result]], places: str) -> list[str]:
    """Figures of each row; the first is what the others are compared with."""
    header = ["", *FIGURES, "NDCG@10 less the first row's", "SID Recall@10"]
    lines = [f"| {' | '.join(header)} |", "| --- |" + " ---: |" * (len(header) - 1)]
    first = next(iter(tested.values()))
    for name, results in tested.items():
        cells = [_text(mean_interval(_over(results, figure, places))) for figure in FIGURES.values()]
        own, compared = (_over(each, FIGURES["NDCG@10"], places) for each in (results, first))
        paired = "" if results is first else _text(mean_interval(own - compared), "+")
        of_sids = f"{_over(results, FIGURES['Recall@10'], 'sid').mean():.4f}"
        lines.append(f"| {name} | {' | '.join([*cells, paired, of_sids])} |")
    return lines


def _codes_table(results: Sequence[Result], tested: dict[str, list[Result]]) -> list[str]:
    """What the codes are like, and how the decoder was learned; means over seeds."""
    header = ["", "SIDs", "shared", "largest", "missed", "weights", "tried", "checks", "epochs", "codes", "seeds"]
    lines = [f"| {' | '.join(header)} |", "| --- |" + " ---: |" * (len(header) - 1)]
    for name, own in tested.items():
        mean = partial(_mean, own)
        tried = [result for result in results if result.figures["row"] == name and result.figures["seed"] == SEEDS[0]]
        by_rate = "; ".join(f"{result.figures['learning_rate']:g}: {result.validation:.4f}" for result in tried)
        checks = " → ".join(
            f"{np.mean(check):.4f}" for check in zip(*(result.figures["validation"] for result in own), strict=True)
        )
        missed = np.mean([(result.ranks.whole == NOT_FOUND).mean() for result in own])
        cells = [
            f"{mean('n_sids'):,.0f}",
            f"{mean('shared'):.1%}",
            f"{mean('largest'):.0f}",
            f"{missed:.0%}",
            f"{mean('n_weights'):,.0f}",
            by_rate,
            checks,
            f"{mean('n_epochs'):.1f}",
            f"{max(result.figures['cpu_seconds']['codes'] for result in tried):.1f}",  # the second rate finds them made
            f"{len(own)}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _mean(results: Sequence[Result], name: str) -> float:
    return float(np.mean([float(result.figures[name]) for result in results]))
