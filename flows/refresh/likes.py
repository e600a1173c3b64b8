"""What training records say of items: summed over all users once, then moved on by the users whose records changed."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl
from safetensors import safe_open
from safetensors.numpy import save_file

from flows.refresh.buckets import of_bucket
from flows.refresh.changed_rows import changed_rows
from flows.refresh.release_inputs import ReleaseInputs
from pipeline.contracts import RECORD_ROWS
from pipeline.embeddings.embed import sum_likes
from pipeline.embeddings.like_sums import LikeSums
from pipeline.embeddings.model import EmbeddingModel
from pipeline.embeddings.positives import summed_answers
from pipeline.records.config import RecordsConfig
from pipeline.records.split import count_answers, training_answers
from pipeline.sids.quality import is_drawn, likes_that_follow
from pipeline.warehouse.artifact_rows import Artifact
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.garbage_folders import remove_folder
from pipeline.warehouse.statements import statement
from pipeline.warehouse.stored_files import StoredFile, scan
from pipeline.warehouse.warehouse import Warehouse

KIND = "like_sums"
_ANSWERS, _SUMS = "answers.parquet", "sums.safetensors"
# Part of every name: raised when the same records give other sums.
_FORMAT = 1
_SLATES = ("user_id", "record_index", "exposed_items", "feedback")


@dataclass(frozen=True)
class Likes:
    """What the training records of a release say of items.

    Attributes:
        answers: item_id, n_shown, n_positives (i64), by item_id; items that were never shown have no row.
        sums: what a co-occurrence part is folded from; None where the model has none.
        follows: ``likes_that_follow``, bucket by bucket.
    """

    answers: pl.DataFrame
    sums: LikeSums | None
    follows: pl.DataFrame


@dataclass(frozen=True)
class LikesOfRelease:
    """The training records of a release to come, and what was summed of those of the last release.

    The sums are kept under a name that follows from the model, the chain of deliveries (the id of the user states) and how records are
    split: whatever else happened to the records, a rebuild, a user who was forgotten, another split, asks for another name, and all
    records are read.

    Attributes:
        warehouse: its store keeps the sums.
        model: of items.
        inputs: what the release is made from.
        records: section of the settings.
        n_buckets: of users.
    """

    warehouse: Warehouse
    model: EmbeddingModel
    inputs: ReleaseInputs
    records: RecordsConfig
    n_buckets: int

    def read(self) -> Likes:
        """Sum them, of all users or, where the last release's sums are there, of those whose records changed."""
        before, changed = self._before(), self._changed()
        if before is None or 2 * changed.height > self.inputs.tables.splits.height:
            return self._of_all()
        return self._moved_on(*before, changed)

    def keep(self, likes: Likes) -> Artifact:
        """Put the sums into the store, for the next night."""
        name = self._name(self.inputs.state_id)
        with self.warehouse.artifacts.writing(KIND, name) as folder:
            likes.answers.write_parquet(folder / _ANSWERS)
            if likes.sums is not None:
                save_file(likes.sums.to_arrays(), folder / _SUMS)
        return Artifact(KIND, name, (self.model.embedding_id,))

    def _name(self, state_id: str) -> str:
        return fingerprint(_FORMAT, self.model.embedding_id, state_id, self.records.model_dump(mode="json"))

    def _before(self) -> tuple[pl.DataFrame, LikeSums | None] | None:
        """Answers and sums of the last release; None where they were not kept."""
        name, store = self._name(self.inputs.incumbent.files.state_id), self.warehouse.artifacts
        is_entered = self.warehouse.query(statement("like_sums_named"), {"name": name}).height > 0
        if not (is_entered and store.exists(KIND, name)):
            return None
        folder, sums = store.path(KIND, name), None
        if (folder / _SUMS).exists():
            with safe_open(folder / _SUMS, framework="numpy") as stored:
                sums = LikeSums.from_arrays({array: stored.get_tensor(array) for array in stored.keys()})  # noqa: SIM118 no dict
            sums = sums.among(self.inputs.tables.items["item_id"].sort().to_numpy())
        return pl.read_parquet(folder / _ANSWERS), sums

    def _rebuilt(self) -> pl.DataFrame:
        """user_id of those whose records were laid out anew; the others' records stay, and more may follow."""
        rebuilt = [delivery.frame("rebuilt").select("user_id") for delivery in self.inputs.staged]
        return pl.concat([pl.DataFrame(schema={"user_id": pl.Int64}), *rebuilt]).unique()

    def _changed(self) -> pl.DataFrame:
        """user_id of those whose training records may not be those of the last release."""
        both = (self.inputs.incumbent.tables, self.inputs.tables)
        then, now = (tables.splits.select("user_id", "n_records", "n_train") for tables in both)
        other = [changed_rows(now, then, "user_id"), changed_rows(then, now, "user_id")]
        return pl.concat([self._rebuilt(), *(rows.select("user_id") for rows in other)]).unique()

    def _of_all(self) -> Likes:
        read = LikesRead(self.inputs.tables.splits.height)
        liked = positives(self.inputs, self.n_buckets, read)
        sums = sum_likes(self.model, self.inputs.tables.items, liked)
        deque(liked, maxlen=0)  # where no part asked for the likes, the answers are counted all the same
        return Likes(summed_answers(read.counts), sums, pl.concat(read.follows))

    def _moved_on(self, answers: pl.DataFrame, sums: LikeSums | None, changed: pl.DataFrame) -> Likes:
        """The last release's sums without what the changed users had said, and with what they say now."""
        rebuilt, n_users = self._rebuilt(), self.inputs.tables.splits.height
        drawn = self.inputs.tables.splits.select("user_id").filter(is_drawn(self.inputs.tables.splits["user_id"], n_users))
        looked_at = pl.concat([changed, drawn]).unique()
        cut_then, cut = (
            tables.splits.join(looked_at, on="user_id", how="semi")
            for tables in (self.inputs.incumbent.tables, self.inputs.tables)
        )
        said: list[pl.DataFrame] = []
        says: list[pl.DataFrame] = []
        follows: list[pl.DataFrame] = []
        for bucket in range(self.n_buckets):
            now = _slates(of_bucket(self.inputs.records, bucket), looked_at)
            again = now.join(changed, on="user_id", how="semi", maintain_order="left")
            was = again.join(rebuilt, on="user_id", how="anti")
            if rebuilt.height:
                was = pl.concat([was, _slates(of_bucket(self.inputs.incumbent.files.records, bucket), rebuilt)])
            said.append(training_answers(was.lazy(), cut_then))
            says.append(training_answers(again.lazy(), cut))
            follows.append(likes_that_follow(_liked(training_answers(now.lazy(), cut)), n_users))
        gone = [count_answers(rows).with_columns(-pl.col("n_shown", "n_positives")) for rows in said]
        counts = summed_answers([answers, *map(count_answers, says), *gone])
        if sums is not None:
            more, less = (self._sums([pl.concat(rows)]) for rows in (says, said))
            sums = sums.plus(more).plus(less, -1) if more is not None and less is not None else None
        return Likes(counts.filter(pl.col("n_shown") > 0), sums, pl.concat(follows))

    def _sums(self, answers: Iterable[pl.DataFrame]) -> LikeSums | None:
        """Of the positives among answers, all of a user in one frame."""
        return sum_likes(self.model, self.inputs.tables.items, map(_liked, answers))


def discard_older_sums(warehouse: Warehouse) -> None:
    """Remove all sums but the newest that a release has entered: no rollback asks for older ones, and they hold who was forgotten."""
    newest = set(warehouse.query(statement("last_like_sums"))["artifact_id"])
    kept, bucket = warehouse.artifacts.path(KIND, "any").parent, Bucket.of(warehouse.root)
    here = set(kept.iterdir()) if kept.is_dir() else set()
    away = {folder for folder in bucket.artifact_sizes() if folder.parent == kept} if bucket else set()
    for folder in here | away:
        if folder.name not in newest and not folder.name.startswith("."):
            remove_folder(warehouse.root, folder)


@dataclass(frozen=True)
class LikesRead:
    """What is noted while the training records of all users are read, so that they are read once.

    Attributes:
        n_users: of the log.
        counts: how often each bucket's training records show and like every item.
        follows: ``likes_that_follow`` of each bucket.
    """

    n_users: int
    counts: list[pl.DataFrame] = field(default_factory=list)
    follows: list[pl.DataFrame] = field(default_factory=list)

    def note(self, answers: pl.DataFrame) -> None:
        """Note a bucket's answers."""
        self.counts.append(count_answers(answers))
        self.follows.append(likes_that_follow(_liked(answers), self.n_users))


def positives(inputs: ReleaseInputs, n_buckets: int, read: LikesRead | None = None) -> Iterator[pl.DataFrame]:
    """user_id and item_id of every positive in a training record, whole users, a frame for each bucket; ``read`` takes note of them."""
    for bucket in range(n_buckets):
        if files := of_bucket(inputs.records, bucket):
            answers = training_answers(scan(files, RECORD_ROWS), inputs.tables.splits)
            if read is not None:
                read.note(answers)
            yield _liked(answers).select("user_id", "item_id")


def _liked(answers: pl.DataFrame) -> pl.DataFrame:
    return answers.filter(pl.col("feedback") == 1).select("user_id", "record_index", "item_id")


def _slates(files: Sequence[StoredFile], users: pl.DataFrame) -> pl.DataFrame:
    """The records of some users, without what training does not ask of them."""
    if not files:
        return RECORD_ROWS.empty().select(_SLATES)
    is_theirs = pl.col("user_id").is_in(users["user_id"].implode())
    return scan(files, RECORD_ROWS).filter(is_theirs).select(_SLATES).collect()
