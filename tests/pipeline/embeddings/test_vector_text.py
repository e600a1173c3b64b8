"""Vectors in the columns of a text."""

from pathlib import Path

import pytest

from pipeline.embeddings.vector_text import text_table
from pipeline.errors import ContractError


def test_numbers_are_read_however_they_are_parted(tmp_path: Path) -> None:
    path = tmp_path / "vectors.csv"
    path.write_text('item_id,vector\n1,"[0.5, -1]"\n2,"1e-3 nan"\n3,"2,"\n')
    [rows] = text_table(path, "vectors.csv").batches()
    assert rows.lengths.tolist() == [2, 2, 2]
    assert [str(value) for value in rows.values.tolist()] == ["0.5", "-1.0", "0.001", "nan", "2.0", "nan"]


def test_what_is_no_number_is_named(tmp_path: Path) -> None:
    """As Python writes a list of numpy 2's numbers."""
    path = tmp_path / "vectors.csv"
    path.write_text('item_id,vector\n1,"[np.float64(0.12), np.float64(1.0)]"\n2,"[0.5, 1]"\n')
    with pytest.raises(
        ContractError, match=r"^vectors.csv: 2 of 4 values of its vectors are no numbers, such as 'np.float64\(0.12\)'"
    ):
        list(text_table(path, "vectors.csv").batches())
