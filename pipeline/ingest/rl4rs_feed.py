"""A generated log in RL4RS's own format, with known preferences, for the volume that its public fragment does not have.

    python -m pipeline.ingest.rl4rs_feed FOLDER --records 780000

writes ``item_info.csv`` and ``rl4rs_b_generated.csv``, which the source ``rl4rs`` reads. A session has two pages of nine items, three of
each location, drawn alike among those of the location. User u would buy item i with probability

    P(u, i) = σ(1.6 + 1.5 t_u · v_i / √40),    t_u = P_u M / √32,    v, P, M ~ N(0, 1),

where v_i is the item's vector and P_u the numbers of the user's profile, both in the files, and M is seen by nobody. As in the real log, the
items of a location are only for sale once all of the location before were bought: what comes after is not bought.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import ConfigError

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

N_OF_LOCATION = (39, 108, 136)  # items of RL4RS's item_info.csv in each location
PER_LOCATION, PAGES = 3, 2
WIDTH, PROFILE = 40, 32  # numbers of an item's vector, and of a user's profile behind its ten codes
BIAS, SCALE = 1.6, 1.5
_CODES = 10
_BLOCK = 10_000  # sessions written at once
_SECONDS = 60  # from session to session; as in the real log, times count from a start of their own
_COLUMNS = (
    "timestamp", "session_id", "sequence_id", "exposed_items", "user_feedback", "user_seqfeature", "user_protrait", "item_feature",
    "behavior_policy_id",
)  # fmt: skip


@dataclass(frozen=True)
class Preferences:
    """Users, items, and what they think of each other.

    Attributes:
        vectors: (n, 40) of the items; row n is item n + 1.
        location: (n,) 1, 2 or 3.
        profiles: (m, 32) of the users.
        codes: (m, 10) whole numbers that begin a profile, without influence.
        taste: (32, 40) M.
    """

    vectors: Floats
    location: Ids
    profiles: Floats
    codes: Ids
    taste: Floats

    @classmethod
    def of(cls, n_users: int, seed: int) -> "Preferences":
        """Drawn by a seed; numbers are rounded as the files have them, so that whoever reads these knows the same."""
        draw = np.random.default_rng([seed, 0])
        location = np.repeat(np.arange(1, len(N_OF_LOCATION) + 1), N_OF_LOCATION)
        vectors = draw.standard_normal((len(location), WIDTH)).round(4)
        profiles = draw.standard_normal((n_users, PROFILE)).round(3)
        return cls(
            vectors, location, profiles, draw.integers(100_000, size=(n_users, _CODES)), draw.standard_normal((PROFILE, WIDTH))
        )

    def probabilities(self, users: Ids, items: Ids) -> Floats:
        """P(u, i) of (b,) users (0 = first) and their (b, k) item ids."""
        tastes = self.profiles[users] @ self.taste / np.sqrt(PROFILE)
        scores = np.einsum("bd,bkd->bk", tastes, self.vectors[items - 1]) / np.sqrt(WIDTH)
        return np.asarray(1 / (1 + np.exp(-(BIAS + SCALE * scores))))


def write_feed(folder: Path, n_records: int, n_users: int = 10_000, seed: int = 0) -> tuple[Path, Path]:
    """Write the item table and the log; return their paths.

    Args:
        folder: made if it is not there; files of the same names are written over.
        n_records: slates of nine, two of them a session.
        n_users: users; each session is of any of them.
        seed: of all that is random.

    Raises:
        ConfigError: there are no records or no users to write.
    """
    if n_records < 1 or n_users < 1:
        raise ConfigError(f"a feed of {n_records} records of {n_users} users; expected 1 or more of each")
    world = Preferences.of(n_users, seed)
    folder.mkdir(parents=True, exist_ok=True)
    items, log = folder / "item_info.csv", folder / "rl4rs_b_generated.csv"
    table = {
        "item_id": range(1, len(world.location) + 1),
        "item_vec": _joined(world.vectors),
        "price": np.random.default_rng([seed, 1]).integers(2, 40, len(world.location)).astype(float),
        "location": world.location,
        "special_item": 0,
    }
    pl.DataFrame(table).write_csv(items, separator=" ", quote_style="never")
    portraits = _joined(world.codes) + "," + _joined(world.profiles)
    with log.open("wb") as file:
        for number, rows in enumerate(_pages(world, portraits, n_records, seed)):
            rows.write_csv(file, separator="@", quote_style="never", include_header=number == 0)
    return items, log


def _joined(rows: npt.NDArray[np.int64] | Floats) -> pl.Series:
    """Each row as a text of numbers parted by commas."""
    return pl.Series(values=rows.tolist()).cast(pl.List(pl.String)).list.join(",")


def _pages(world: Preferences, portraits: pl.Series, n_records: int, seed: int) -> Iterator[pl.DataFrame]:
    """The rows of the log, some sessions at a time."""
    n_sessions = -(-n_records // PAGES)
    for start in range(0, n_sessions, _BLOCK):
        draw = np.random.default_rng([seed, 2, start])
        session = np.repeat(np.arange(start, min(start + _BLOCK, n_sessions)), PAGES)
        users = np.repeat(draw.integers(len(world.profiles), size=len(session) // PAGES), PAGES)
        shown = np.concatenate([_drawn(draw, np.flatnonzero(world.location == n) + 1, len(session)) for n in (1, 2, 3)], axis=1)
        is_wanted = draw.random(shown.shape) < world.probabilities(users, shown)
        texts = _joined(shown)
        page = np.tile(np.arange(1, PAGES + 1), len(session) // PAGES)
        before = pl.select(pl.when(pl.Series(page) > 1).then(texts.shift(1)).otherwise(pl.lit("0"))).to_series()
        columns = (
            session * _SECONDS + page * 10, session + 1, page, texts, _joined(bought(is_wanted).astype(np.int64)), before,
            portraits[users], "", "1",
        )  # fmt: skip
        rows = pl.DataFrame(dict(zip(_COLUMNS, columns, strict=True)))
        yield rows[: n_records - start * PAGES]


def _drawn(draw: np.random.Generator, items: Ids, n_rows: int) -> Ids:
    """Three different items a row, each alike likely."""
    return np.asarray(items[np.argpartition(draw.random((n_rows, len(items))), PER_LOCATION, axis=1)[:, :PER_LOCATION]])


def bought(is_wanted: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """What is bought of (b, 9) wanted items: those of a location only if all of every location before are bought."""
    layers = is_wanted.reshape(len(is_wanted), -1, PER_LOCATION)
    is_open: npt.NDArray[np.bool_] = np.ones(len(is_wanted), dtype=bool)
    for layer in range(layers.shape[1]):
        layers[:, layer] &= is_open[:, None]
        is_open = np.asarray(layers[:, layer].all(axis=1))
    return layers.reshape(is_wanted.shape)


def main() -> None:
    """Write a feed by the words of the command line."""
    parser = argparse.ArgumentParser(description="Write a log in RL4RS's format with known preferences.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        items, log = write_feed(given.folder, given.records, given.users, given.seed)
    except (ConfigError, OSError) as error:
        parser.error(str(error))
    parser.exit(message=f"{items}\n{log}\n")


if __name__ == "__main__":
    main()
