"""Numbers and texts among the attributes, a JSON object a row."""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.embeddings.vectors import Matrix


@dataclass(frozen=True)
class Standardised:
    """Named numbers, to be standardised by means and deviations that were frozen when they were learned.

    Attributes:
        names: q attributes.
        means: (q,) over the rows that told one.
        deviations: (q,) likewise; 1 where all rows told the same or none did.
    """

    names: tuple[str, ...]
    means: npt.NDArray[np.float64]
    deviations: npt.NDArray[np.float64]

    @classmethod
    def learn(cls, attributes: pl.Series, names: tuple[str, ...]) -> "Standardised":
        """Means and deviations of ``names`` in ``attributes``, JSON objects or null."""
        columns = [numbers_in(attributes, name) for name in names]
        means = np.array([values.mean() or 0.0 for values in columns], dtype=np.float64)
        deviations = np.array([values.std(ddof=0) or 1.0 for values in columns], dtype=np.float64)
        return cls(names, means, deviations)

    def encode(self, attributes: pl.Series) -> Matrix:
        """(n, q) standardised numbers; 0, the mean, where a row tells none."""
        columns = [numbers_in(attributes, name).to_numpy() for name in self.names]
        table = np.column_stack(columns) if columns else np.zeros((len(attributes), 0))
        return np.nan_to_num((table - self.means) / self.deviations)


def numbers_in(attributes: pl.Series, name: str) -> pl.Series:
    """The attribute as finite numbers, null where a row has none or something else."""
    numbers = texts_in(attributes, name).cast(pl.Float64, strict=False)
    return numbers.set(numbers.is_finite().fill_null(value=False).not_(), None)


def texts_in(attributes: pl.Series, name: str) -> pl.Series:
    """The attribute as text, null where a row has none."""
    return attributes.str.json_path_match(f"$[{json.dumps(name, ensure_ascii=False)}]")
