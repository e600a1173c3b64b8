"""The limit on rejected rows: over what is new in a file, so that neither known rows nor other files dilute it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.errors import QuarantineError
from pipeline.ingest import reasons
from pipeline.ingest.causes import hint_of

_ROW = ["file", "raw", "reason"]
_KNOWN = pl.Schema({"file": pl.String(), "n_known": pl.Int64()})
_QUARANTINED = pl.Schema({"file": pl.String(), "raw": pl.String(), "reason": pl.String(), "n": pl.Int64()})


def split_known(rejects: pl.DataFrame, quarantined: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rejects that are new from those that an earlier reading of the file rejected too.

    A row is known as often as it is in quarantine: of 80 equal rows where 40 were rejected before, 40 are new.

    Args:
        rejects: REJECTS.
        quarantined: file, raw, reason and n of the rows of these files that published deliveries put into quarantine.

    Returns:
        REJECTS that are new, and file, n_known of the others.
    """
    if rejects.is_empty() or quarantined.is_empty():
        return rejects, pl.DataFrame(schema=_KNOWN)
    nth = pl.int_range(pl.len()).over(_ROW)
    marked = rejects.with_columns(nth=nth).join(quarantined.cast(_QUARANTINED), on=_ROW, how="left", maintain_order="left")
    is_known = (pl.col("nth") < pl.col("n")).fill_null(value=False)
    known = marked.filter(is_known).group_by("file").agg(n_known=pl.len().cast(pl.Int64)).cast(_KNOWN)
    return marked.filter(~is_known).select(rejects.columns), known


def count_by_file(lines: pl.DataFrame, rejects: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """FILE_LINES with n_rejected and n_known.

    Args:
        lines: FILE_LINES, a row for each file and content.
        rejects: REJECTS that are new.
        known: file, n_known; several rows a file are added up.
    """
    n_rejected = rejects.group_by("file").agg(n_rejected=pl.len().cast(pl.Int64))
    n_known = known.group_by("file").agg(pl.col("n_known").sum())
    # A file that is read for two purposes has its rejects counted once.
    is_first = pl.int_range(pl.len()).over("file") == 0
    counted = lines.join(n_rejected, on="file", how="left", maintain_order="left").join(
        n_known, on="file", how="left", maintain_order="left"
    )
    return counted.with_columns(pl.when(is_first).then(pl.col("n_rejected", "n_known")).fill_null(0))


@dataclass(frozen=True)
class RejectLimit:
    """The limit on rejected rows among the new rows of each file of a delivery.

    Attributes:
        source: the source's name.
        delivery: the delivery's id.
        share: of a file's new rows, in [0, 1].
        decided_since: since when ids and times are what they are; empty where this delivery decides it.
    """

    source: str
    delivery: str
    share: float
    decided_since: str = ""

    def require(self, lines: pl.DataFrame, rejects: pl.DataFrame) -> None:
        """Stop before anything is published where the share of rejected rows shows that a file or its mapping is wrong.

        Not counted are the last line of a file that is still being written, which is no fault of it, and rows that the configuration
        means to leave out (``reasons.MEANT``), as long as it leaves some.

        Args:
            lines: FILE_LINES with n_rejected and n_known, a row for each file and content.
            rejects: REJECTS that are new.

        Raises:
            QuarantineError: the share of a file is above the limit.
        """
        wrong = self._faults(lines, rejects)
        n_wrong = wrong.group_by("file").agg(n_wrong=pl.len())
        files = lines.group_by("file", maintain_order=True).agg(pl.col("n_rows", "n_known", "n_open").sum())
        files = files.join(n_wrong, on="file").with_columns(n_new=pl.col("n_rows") - pl.col("n_known") - pl.col("n_open"))
        above = files.filter(pl.col("n_wrong") > self.share * pl.col("n_new"))
        if above.height:
            worst = above.sort("n_wrong", descending=True, maintain_order=True).row(0, named=True)
            of_file = wrong.filter(pl.col("file") == worst["file"])
            raise QuarantineError(self._refusal(worst, of_file), rejects)

    @staticmethod
    def _faults(lines: pl.DataFrame, rejects: pl.DataFrame) -> pl.DataFrame:
        """The rejects that count; those that are meant count where they are all that a file has."""
        is_meant = pl.col("reason").is_in(reasons.MEANT)
        n_rows = lines.group_by("file").agg(pl.col("n_rows").sum())
        n_meant = rejects.filter(is_meant).group_by("file").agg(n_meant=pl.len())
        all_meant = n_meant.join(n_rows, on="file").filter(pl.col("n_meant") >= pl.col("n_rows"))["file"]
        is_fault = ~is_meant | pl.col("file").is_in(all_meant.implode())
        return rejects.filter((pl.col("reason") != reasons.OPEN_LINE) & is_fault)

    def _refusal(self, file: dict[str, Any], rejects: pl.DataFrame) -> str:
        """What to say of the file with most rejects: how many, the most frequent reason, its first row, and what helps."""
        name, n_known = file["file"], file["n_known"]
        reason, n_most = rejects.group_by("reason").len().sort("len", "reason", descending=[True, False]).row(0)
        of_reason = rejects.filter(pl.col("reason") == reason).sort("line")
        first = of_reason.row(0, named=True)
        hint = _advice(reason, of_reason["raw"].head(100).to_list(), self.decided_since, is_known_file=n_known > 0)
        where = f"delivery {self.delivery}" if name == self.delivery else f"{name} of delivery {self.delivery}"
        return (
            f"{self.source}: {file['n_wrong']:,} of {file['n_new']:,} {'new ' if n_known else ''}rows of {where} were rejected, "
            f"above the limit of {self.share:.1%}; most: {reason} ({n_most:,}), first at {name}:{first['line']}: "
            f"{first['raw']:.80}; {hint}, or raise ingest.quarantine_limit"
        )


def _advice(reason: str, raws: Sequence[str], decided_since: str, *, is_known_file: bool) -> str:
    """What to do about the most frequent reason; in a file of which some rows are known, nothing that gives these another meaning."""
    what = next((what for what in ("user", "item") if reason.startswith(f"{what} id is ")), None)
    if what and reason.endswith("is missing"):
        return f"mend the file, or name the column of the {what} ids in source.columns"
    if what and decided_since.startswith("since release"):
        return (
            f"{what} ids are whole numbers {decided_since}: mend the ids, or read the log as texts into another --warehouse "
            'with source.ids = "text"'
        )
    if what:
        return 'mend the ids or columns, or set source.ids = "text"'
    advice = reasons.advice(reason, "") or hint_of(reason, raws) or "mend the source or its mapping"
    if "source.time_unit = " not in advice or not (decided_since or is_known_file):
        return advice
    begin = f"times were read in another unit {decided_since or 'in the rows before'}: mend these times"
    if is_known_file or not decided_since.startswith("since release"):
        return begin
    return f"{begin}, or, if all new files are so, {advice} and run: hsrl refresh --accept source.time_unit"
