"""The frozen codebook: its name, its way to a table and back, and what it refuses."""

import numpy as np
import polars as pl
import pytest

from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook


def test_a_codebook_reads_its_sizes_from_its_arrays(line: Codebook) -> None:
    assert (line.vocabulary, line.n_levels, line.width) == ((2, 2), 2, 1)


def test_decoding_adds_the_codes_of_all_levels(line: Codebook) -> None:
    """(1, 0) is 4 − 1 = 3; (0, 0) is −4 − 1 = −5."""
    assert line.decode(np.array([[1, 0], [0, 0]], dtype=np.uint16)).tolist() == [[3.0], [-5.0]]


def test_a_codebook_survives_the_way_through_its_table(line: Codebook) -> None:
    again = Codebook.from_frame(line.to_frame().sample(fraction=1.0, shuffle=True, seed=1))
    assert again.codebook_id == line.codebook_id
    assert (again.embedding_id, again.ood_error) == ("line", 4.0)


def test_levels_may_have_vocabularies_of_their_own() -> None:
    book = Codebook((np.ones((3, 2)), np.zeros((2, 2))), (np.zeros(3), np.zeros(2)), 0.5, "m")
    assert Codebook.from_frame(book.to_frame()).vocabulary == (3, 2)


def test_an_id_is_the_fingerprint_of_every_byte(line: Codebook) -> None:
    others = [
        Codebook((line.centroids[0], line.centroids[1] + np.float32(1e-6)), line.n_items, 4.0, "line"),
        Codebook(line.centroids, (line.n_items[0], line.n_items[1] + 1), 4.0, "line"),
        Codebook(line.centroids, line.n_items, 4.5, "line"),
        Codebook(line.centroids, line.n_items, 4.0, "other"),
    ]
    assert len({book.codebook_id for book in [line, *others]}) == 5
    assert len(line.codebook_id) == 16


def test_the_arrays_of_a_codebook_cannot_be_written_to(line: Codebook) -> None:
    with pytest.raises(ValueError, match="read-only"):
        line.centroids[0][0, 0] = 1.0


def test_a_codebook_whose_bytes_do_not_match_its_id_is_refused(line: Codebook) -> None:
    damaged = line.to_frame().with_columns(n_items=pl.col("n_items") + 1)
    with pytest.raises(ContractError, match="its bytes have the fingerprint"):
        Codebook.from_frame(damaged)


def test_a_codebook_that_lacks_a_code_is_refused(line: Codebook) -> None:
    with pytest.raises(ContractError, match="level 1 lacks codes"):
        Codebook.from_frame(line.to_frame().filter((pl.col("level") != 1) | (pl.col("code") != 0)))
    with pytest.raises(ContractError, match="level 1 lacks codes"):
        Codebook.from_frame(line.to_frame().filter(pl.col("level") == 2))


def test_rows_of_two_codebooks_or_of_none_are_refused(line: Codebook) -> None:
    other = Codebook(line.centroids, line.n_items, 1.0, "other")
    with pytest.raises(ContractError, match="rows of 2 codebooks"):
        Codebook.from_frame(pl.concat([line.to_frame(), other.to_frame()]))
    with pytest.raises(ContractError, match="rows of 0 codebooks"):
        Codebook.from_frame(line.to_frame().clear())


def test_a_code_of_another_width_is_refused(line: Codebook) -> None:
    longer = pl.when(pl.col("code") == 0).then(pl.col("centroid").list.concat(pl.col("centroid"))).otherwise("centroid")
    with pytest.raises(ContractError, match="centroids of 2 widths"):
        Codebook.from_frame(line.to_frame().with_columns(centroid=longer))


def test_levels_of_two_widths_are_refused() -> None:
    with pytest.raises(ContractError, match="expected"):
        Codebook((np.ones((2, 3)), np.ones((2, 4))), (np.zeros(2), np.zeros(2)), 1.0, "m")


def test_counts_that_do_not_fit_the_codes_are_refused() -> None:
    with pytest.raises(ContractError, match="expected"):
        Codebook((np.ones((2, 3)),), (np.zeros(3),), 1.0, "m")


def test_codes_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ContractError, match="NaN or infinite"):
        Codebook((np.array([[1.0], [np.nan]]),), (np.zeros(2),), 1.0, "m")


def test_more_semantic_ids_than_64_bits_hold_are_refused() -> None:
    """2^16 codes at five levels make 2^80."""
    with pytest.raises(ContractError, match=r"more than 2\^64"):
        Codebook((np.zeros((2**16, 1)),) * 5, (np.zeros(2**16),) * 5, 1.0, "m")
