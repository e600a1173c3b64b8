"""Every column, defined once: its name, type, unit and meaning. Tables (``contracts``) only list them."""

from dataclasses import dataclass, replace

import polars as pl

TIMESTAMP = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Column:
    """A named, typed column; ``doc`` becomes its COMMENT in the warehouse."""

    name: str
    dtype: pl.DataType
    doc: str
    is_nullable: bool = False

    def nullable(self) -> "Column":
        """The same column where a row may leave it empty."""
        return replace(self, is_nullable=True)


def _column(name: str, dtype: pl.DataType | type[pl.DataType], doc: str, *, nullable: bool = False) -> Column:
    return Column(name, dtype() if isinstance(dtype, type) else dtype, doc, nullable)


_IDS = pl.List(pl.Int64())

# users and items
USER_ID = _column("user_id", pl.Int64, "the user; text ids are hashed to 63 bits, see raw_id")
ITEM_ID = _column("item_id", pl.Int64, "the item; text ids are hashed to 63 bits, see raw_id")
RAW_ID = _column("raw_id", pl.String, "the id as the raw log spells it")
TITLE = _column("title", pl.String, "name of the item for people", nullable=True)
CATEGORIES = _column("categories", pl.List(pl.String()), "categories of the item, coarsest first where they form a path")
ATTRIBUTES = _column("attributes", pl.String, "what else the source tells, a JSON object of texts and numbers", nullable=True)
FIRST_SEEN = _column("first_seen", TIMESTAMP, "time of the first event or listing; empty without times", nullable=True)
LAST_SEEN = _column("last_seen", TIMESTAMP, "time of the last event or listing; empty without times", nullable=True)
IS_ACTIVE = _column("is_active", pl.Boolean, "true while the item may be shown")

# events
USER_SEQ = _column("user_seq", pl.Int64, "order of the event within its user, rising with time; not dense")
OCCURRED_AT = _column("occurred_at", TIMESTAMP, "when it happened, UTC; empty where the source tells no time", nullable=True)
EVENT_FEEDBACK = _column("feedback", pl.UInt8, "1 = positive, 0 = shown and not positive")
BEHAVIOR = _column(
    "behavior",
    pl.String,
    "the answer as the source tells it (buy, cart …), where feedback does not say the same as 1 or 0",
    nullable=True,
)
VALUE = _column("value", pl.Float32, "the graded signal behind the feedback (rating in stars, watch ratio …)", nullable=True)
REQUEST_ID = _column("request_id", pl.String, "the request whose slate held the item", nullable=True)
SESSION_ID = _column("session_id", pl.String, "the visit", nullable=True)
POSITION = _column("position", pl.UInt16, "place in the slate, 0 = first", nullable=True)
BEHAVIOR_POLICY_ID = _column("behavior_policy_id", pl.String, "the policy that chose what was shown", nullable=True)
PROPENSITY = _column("propensity", pl.Float32, "probability in (0, 1] with which that policy showed the item", nullable=True)
SOURCE = _column("source", pl.String, "name of the source in the configuration")
INGEST_ID = _column("ingest_id", pl.String, "the ingest that brought the row; see ingests")
ORDER = _column("order", pl.Int64, "place within the user as the raw file tells it", nullable=True)
FILE = _column("file", pl.String, "raw file (and member of an archive), by name")
PATH = _column("path", pl.String, "where the raw file lies")
LINE = _column("line", pl.Int64, "line (text files, 1 = first) or row (Parquet, 0 = first) in the raw file")
RAW = _column("raw", pl.String, "the raw row as text, at most 500 characters")
REASON = _column("reason", pl.String, "why, in a few words that group well")

# the lines of a raw file, counted
CONTENT = _column("content", pl.String, "what the file lists: events, items or users")
N_LINES = _column("n_lines", pl.Int64, "physical lines of a text, counted from its bytes; rows of a Parquet file")
N_HEADER = _column("n_header", pl.Int64, "lines that name the columns")
N_BLANK = _column("n_blank", pl.Int64, "lines without text")
N_CONTINUED = _column("n_continued", pl.Int64, "lines that continue a field of the line before")
N_OPEN = _column("n_open", pl.Int64, "1 where the last line has no line end and waits in quarantine")
N_FILE_ROWS = _column("n_rows", pl.Int64, "rows, good and bad: n_lines - n_header - n_blank - n_continued")
N_FILE_REJECTED = _column("n_rejected", pl.Int64, "rows put into quarantine")
N_FILE_KNOWN = _column("n_known", pl.Int64, "rows that the warehouse had already, as events or in quarantine")

# records
RECORD_ID = _column("record_id", pl.String, "user_id-record_index")
RECORD_INDEX = _column("record_index", pl.Int64, "place of the record within its user, 0 = first")
SEQUENCE_ID = _column("sequence_id", pl.Int64, "place of the slate within its session (without sessions: its user), 0 = first")
EXPOSED_ITEMS = _column("exposed_items", _IDS, "the slate: K item ids in the order shown")
FEEDBACK = _column("feedback", pl.List(pl.UInt8()), "K answers, 1 = positive, in the order of exposed_items")
HISTORY = _column("history", _IDS, "at most H most recent positives strictly before the slate, oldest first")
N_RECORDS = _column("n_records", pl.Int64, "whole records of the user")
N_TRAIN = _column("n_train", pl.Int64, "leading records of the user that are for training")
SPLIT = _column("split", pl.String, "train or test")
METHOD = _column("method", pl.String, "how it was made")

# state of each user, carried from night to night
LAST_SEQ = _column("last_seq", pl.Int64, "user_seq of the user's last event")
LAST_OCCURRED_AT = _column("last_occurred_at", TIMESTAMP, "time of the user's last event", nullable=True)
POSITIVES = _column("positives", _IDS, "at most H most recent positives before the open list, oldest first")
OPEN_ITEMS = _column("open_items", _IDS, "items of the unfinished list, fewer than K, in order")
OPEN_FEEDBACK = _column("open_feedback", pl.List(pl.UInt8()), "their answers")
LAST_REQUEST_ID = _column("last_request_id", pl.String, "request of the user's last event", nullable=True)
LAST_SESSION_ID = _column("last_session_id", pl.String, "session of the user's last record", nullable=True)
LAST_SEQUENCE_ID = _column("last_sequence_id", pl.Int64, "sequence_id of the user's last record; -1 before the first")

# embeddings, codebooks, SIDs
EMBEDDING_ID = _column("embedding_id", pl.String, "the frozen embedding model (basis, weights, standardisation)")
VECTOR = _column("vector", pl.List(pl.Float32()), "d coordinates, unitless")
HAS_SIGNAL = _column("has_signal", pl.Boolean, "false where the vector is the content fall-back or zero")
CODEBOOK_ID = _column("codebook_id", pl.String, "fingerprint of the frozen codebook")
NUMBERING_ID = _column(
    "numbering_id", pl.String, "the codebook that first gave these code numbers their meaning; itself where they were learned"
)
LEVEL = _column("level", pl.UInt8, "level of the Semantic ID, 1 = coarsest (0 = all levels together)")
CODE = _column("code", pl.UInt16, "code number within the level, 0 … V-1; never renumbered")
CENTROID = _column("centroid", pl.List(pl.Float32()), "d coordinates of the code, in the space of the residuals")
N_ITEMS = _column("n_items", pl.Int64, "items that took the code when the codebook was learned")
OOD_ERROR = _column("ood_error", pl.Float32, "99.9 % quantile of recon_error at learning; one figure a codebook")
TOKENS = _column("tokens", pl.List(pl.UInt16()), "the Semantic ID: one code a level, coarsest first")
SID = _column("sid", pl.String, "the Semantic ID as text, 12-203-7")
SID_KEY = _column("sid_key", pl.UInt64, "the Semantic ID as one number, mixed radix, level 1 most significant")
SLOT = _column("slot", pl.UInt32, "rank of the item inside a shared Semantic ID; never reused")
VALID_FROM = _column("valid_from", pl.Int64, "first release in which the row holds")
VALID_TO = _column("valid_to", pl.Int64, "first release in which it no longer holds; empty while it does", nullable=True)
ASSIGNED_BY = _column(
    "assigned_by",
    pl.String,
    "greedy, fallback (greedy, without signal), beam or suffix (nearest with room), or its old SID: incumbent (nearest), "
    "hysteresis (near enough), deferred (others were more in need of a move)",
)
RECON_ERROR = _column("recon_error", pl.Float32, "‖x − dec(tokens)‖², squared units of the codebook's input")
IS_OOD = _column("is_ood", pl.Boolean, "true where recon_error lies above the 99.9 % quantile seen when the codebook was learned")
BEST_ERROR = _column("best_error", pl.Float32, "‖x − dec(tokens)‖² of the Semantic ID it would move to")
SINCE_RELEASE = _column("since_release", pl.Int64, "the release in which it first had to wait, without a break since")
N_NIGHTS = _column("n_nights", pl.Int64, "refreshes in which it had to wait, without a break, this one among them")
METRIC = _column("metric", pl.String, "name of the figure; see docs/metrics.md")
METRIC_VALUE = _column("value", pl.Float64, "the figure")

# runs and releases
RUN_ID = _column("run_id", pl.String, "the run")
RELEASE_ID = _column("release_id", pl.Int64, "the release, 1 = first")
