"""Which rows are the same event: what makes a row the event it is, and rows that repeat an earlier one."""

import polars as pl

from pipeline.ingest.identity import Identity
from pipeline.ingest.row_order import row_order

# Odd constants of the finaliser of SplitMix64 (Steele, Lea, Flood 2014): one round spreads runs and strides of ids evenly.
MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

NTH = "nth"  # number of a row among those equal to it
# The answer as its source spells it, which decides whether two rows are the same event: feedback is only 0 or 1.
ANSWER = pl.coalesce("behavior", pl.col("feedback").cast(pl.String)).alias("behavior")


def identifying(rows: pl.DataFrame, raw: pl.DataFrame, key: list[str], identity: Identity) -> pl.DataFrame:
    """What makes each of the rows the event it is."""
    columns = raw[rows["row"]].with_columns(ANSWER).select(identity.columns)
    return pl.concat([rows.select(key), columns], how="horizontal")


def nth_of(columns: list[str]) -> pl.Expr:
    """The number of each row among those equal to it, 0 = first."""
    return pl.int_range(pl.len()).over(columns).alias(NTH)


def marking_repeats(rows: pl.DataFrame, raw: pl.DataFrame, by: list[str], identity: Identity) -> pl.DataFrame:
    """The rows, which come by user and time (or order), with ``is_repeated``.

    Only those of a user's moment can be the same event. They are sorted, by user, item, time and the rest of ``by``, where a key
    may come twice: mixed sums of the three are all different where no key does, which is quicker to see than to sort.
    """
    key, mixed = by[:3], pl.lit(0, pl.UInt64)
    is_repeated = pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
    goes_on = rows.select(repeats_row_before(key[0], key[2])).to_series()
    if goes_on.any():
        indices = (goes_on | goes_on.shift(-1, fill_value=False)).arg_true()
        shared = rows[indices]
        for name in key:
            mixed = (mixed ^ pl.col(name).cast(pl.Int64).reinterpret(signed=False)) * pl.lit(MIX[0], pl.UInt64)
            mixed = mixed ^ (mixed // pl.lit(1 << 31, pl.UInt64))
        if shared.select(mixed.n_unique()).item() < shared.height:
            order = row_order(shared, by)  # equal rows are neighbours
            is_repeated = is_repeated.scatter(indices[order], _repeated(shared[order], raw, key, identity))
    return rows.with_columns(is_repeated.alias("is_repeated"))


def _repeated(rows: pl.DataFrame, raw: pl.DataFrame, key: list[str], identity: Identity) -> pl.Series:
    """True where a row is the event of an earlier one; rows of one key have to be neighbours, the first stays.

    Usually no two rows share user, item and time, so that no other column is looked at.
    """
    if identity.is_row:
        return pl.repeat(value=False, n=rows.height, eager=True)
    shares_key = rows.select(repeats_row_before(*key)).to_series()
    if not identity.columns or not shares_key.any():
        return shares_key
    indices = (shares_key | shares_key.shift(-1, fill_value=False)).arg_true()
    keys = identifying(rows[indices], raw, key, identity)
    is_repeated = pl.repeat(value=False, n=rows.height, eager=True)
    return is_repeated.scatter(indices, keys.select(nth_of(keys.columns) > 0).to_series())


def repeats_row_before(*columns: str) -> pl.Expr:
    """Where a row equals the one before it."""
    return pl.all_horizontal(pl.col(column) == pl.col(column).shift() for column in columns).fill_null(value=False)
