"""The SID table that the learner reads."""

from collections.abc import Callable

import polars as pl
import pytest

from pipeline.contracts import SID_HISTORY
from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.table import SidTable
from tests.support.sids import assign_night


@pytest.fixture
def rows(line: Codebook, embed: Callable[..., pl.DataFrame], catalogue: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    """Items 3, 5 and 9 at 5.0, −3.0 and 5.2."""
    return assign_night((1, catalogue([3, 5, 9]), embed({9: [5.2], 3: [5.0], 5: [-3.0]})), line, SID_HISTORY.empty()).upserts


def test_a_table_is_sorted_by_item(rows: pl.DataFrame, line: Codebook) -> None:
    table = SidTable.from_frame(rows.reverse(), line.vocabulary)
    assert table.codebook_id == line.codebook_id
    assert table.item_ids.tolist() == [3, 5, 9]
    assert table.tokens.tolist() == [[1, 1], [0, 1], [1, 1]]
    assert table.slots.tolist() == [0, 0, 1]


def test_rows_of_no_or_two_codebooks_are_refused(rows: pl.DataFrame, line: Codebook) -> None:
    with pytest.raises(ContractError, match="rows of 0 codebooks"):
        SidTable.from_frame(rows.clear(), line.vocabulary)
    with pytest.raises(ContractError, match="rows of 2 codebooks"):
        SidTable.from_frame(pl.concat([rows, rows.with_columns(codebook_id=pl.lit("other"))]), line.vocabulary)


def test_an_item_with_two_rows_is_refused(rows: pl.DataFrame, line: Codebook) -> None:
    later = rows.with_columns(valid_from=pl.lit(2, dtype=pl.Int64))
    with pytest.raises(ContractError, match="3 of 6 items have two open SIDs"):
        SidTable.from_frame(pl.concat([rows, later]), line.vocabulary)


@pytest.mark.parametrize("vocabulary", [(2, 1), (2, 2, 2)])
def test_tokens_outside_the_vocabulary_are_refused(rows: pl.DataFrame, vocabulary: tuple[int, ...]) -> None:
    with pytest.raises(ContractError, match="tokens do not fit the vocabulary"):
        SidTable.from_frame(rows, vocabulary)
