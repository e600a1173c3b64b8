"""Tables that only the warehouse keeps (releases, ledgers, lineage, results), and the list of all its tables."""

import polars as pl

from pipeline import columns as c
from pipeline import contracts
from pipeline.columns import TIMESTAMP, Column
from pipeline.contracts import Table

_TEXTS = pl.List(pl.String())


def _text(name: str, doc: str, nullable: bool = False) -> Column:
    return Column(name, pl.String(), doc, nullable)


def _count(name: str, doc: str, nullable: bool = False) -> Column:
    return Column(name, pl.Int64(), doc, nullable)


def _figure(name: str, doc: str, nullable: bool = False) -> Column:
    return Column(name, pl.Float64(), doc, nullable)


def _time(name: str, doc: str, nullable: bool = False) -> Column:
    return Column(name, TIMESTAMP, doc, nullable)


_CONFIG = _text("config", "settings it was made with, a JSON object")
_CREATED_AT = _time("created_at", "when the row was written, UTC")
_SEED = _count("seed", "seed of every random choice")
_SHA256 = _text("sha256", "SHA-256 of the bytes, hexadecimal")
_BYTES = _count("bytes", "size in bytes")
_CODE_VERSION = _text("code_version", "version of hsrl, and commit where it is known")
_PRESET = _text("preset", "simulator preset: calibrated, released or saturating")
_SIMULATOR_ID = _text("simulator_id", "fingerprint of the simulator")
_POLICY_ID = _text("policy_id", "fingerprint of the policy")
_SPENT_TEMPER = _figure(
    "temper_law", "(1 + K) · depth - K · total_reward: patience that a session spent, in the mean; see the audit temper_law"
)
_ARTIFACT_ID = _text("artifact_id", "fingerprint of the artifact: of its inputs, settings and seed")
_INPUTS = Column("inputs", _TEXTS, "fingerprints of what it was made from: artifact_id or ingest_id")

RELEASES = Table(
    "releases",
    "one published state of the warehouse",
    (
        c.RELEASE_ID,
        c.RUN_ID,
        _text("kind", "refresh, rebuild (a refresh that was asked for new Semantic IDs), retrain or rollback"),
        _count(
            "parent_id",
            "the release it was built upon, of a rollback the one it went back to; empty for the first",
            nullable=True,
        ),
        _CODE_VERSION,
        _CONFIG,
        _SEED,
        _INPUTS,
        _CREATED_AT,
    ),
    ("release_id",),
)
INGESTS = Table(
    "ingests",
    "one delivery that was taken in; n_rows = n_accepted + n_rejected + n_known",
    (
        c.INGEST_ID,
        c.SOURCE,
        _text("delivery_id", "the delivery the file arrived with, such as a day"),
        _count("sequence", "number of the delivery in the warehouse, 0 = first"),
        _count("n_rows", "raw rows read"),
        _count("n_accepted", "rows that became events"),
        _count("n_rejected", "rows in quarantine"),
        _count("n_known", "rows the warehouse already had"),
        _count("n_positives", "events with feedback 1"),
        _count("n_users", "users of its events"),
        _count("n_new_users", "… that had no event before"),
        _count("n_items", "items of its events"),
        _count("n_new_items", "… that were in no catalogue and no event before"),
        c.RELEASE_ID,
    ),
    ("ingest_id",),
)
SOURCE_MEANINGS = Table(
    "source_meanings",
    "one setting that gives the rows of a source their meaning, and the release since which it holds",
    (
        c.SOURCE,
        _text(
            "setting",
            "name of the setting, such as source.time_unit; source.ids and source.times are decided by the first delivery",
        ),
        _text("value", "its value, JSON"),
        c.RELEASE_ID,
    ),
    ("source", "setting", "release_id"),
)
INGEST_FILES = Table(
    "ingest_files",
    "one raw file of a delivery that was taken in",
    (c.INGEST_ID, c.FILE, _SHA256, _BYTES),
    ("ingest_id", "file"),
)
INGEST_LINES = Table(
    "ingest_lines",
    "what became of the lines of a raw text, or of the rows of a Parquet file: n_lines = n_header + n_blank + n_continued + n_rows",
    (
        c.INGEST_ID,
        c.FILE,
        c.CONTENT,
        _SHA256,
        c.N_LINES,
        c.N_HEADER,
        c.N_BLANK,
        c.N_CONTINUED,
        c.N_FILE_ROWS,
        c.N_FILE_REJECTED,
        c.N_FILE_KNOWN,
        c.N_OPEN,
    ),
    ("ingest_id", "file", "content"),
)
ARTIFACTS = Table(
    "artifacts",
    "one file or folder that a run left: a registered data file, a model, a codebook",
    (
        _ARTIFACT_ID,
        _text("kind", "what it is: a table's name for data files, else codebook, embedding_model, simulator, policy …"),
        _text("path", "place below the warehouse folder"),
        _count("rows", "rows of a data file; empty for anything else", nullable=True),
        _BYTES,
        _SHA256,
        _INPUTS,
        c.RUN_ID,
        c.RELEASE_ID,
        _CREATED_AT,
    ),
    ("artifact_id",),
)
SID_MISSING = Table(
    "sid_missing",
    "one active item that has no Semantic ID, and why",
    (c.ITEM_ID, c.REASON, c.RELEASE_ID),
    ("item_id",),
)
SIMULATORS = Table(
    "simulators",
    "one fitted user simulator and how well it predicts",
    (
        _SIMULATOR_ID,
        _PRESET,
        _text("fit_on", "train or all: the records it was fitted on"),
        _SEED,
        _count("n_records", "records it was fitted on"),
        _figure("auc", "area under the ROC curve, 0.5 = chance"),
        _figure("ece", "expected calibration error, 10 equal bins, a probability"),
        _figure("log_loss", "mean negative log-likelihood per shown item, nats"),
        _figure("mean_p", "mean predicted probability of a positive"),
        _figure("mean_y", "share of positives observed"),
        _text("judged_on", "test, or in-sample where it was fitted on all records"),
        _ARTIFACT_ID,
        _CONFIG,
        c.RELEASE_ID,
    ),
    ("simulator_id",),
)
POLICIES = Table(
    "policies",
    "one trained policy",
    (
        _POLICY_ID,
        _text("method", "hsrl, sasrec …"),
        _PRESET,
        _SEED,
        c.CODEBOOK_ID,
        Column("simulator_ids", _TEXTS, "the simulators it learned in"),
        _count("n_iterations", "updates of the learner"),
        _figure("cpu_seconds", "processor time of the training, seconds"),
        _ARTIFACT_ID,
        _CONFIG,
        Column("is_published", pl.Boolean(), "true for the policy that the ranking service loads"),
        c.RELEASE_ID,
    ),
    ("policy_id",),
)
EVALUATIONS = Table(
    "evaluations",
    "one policy judged in one simulator",
    (
        c.RELEASE_ID,
        _text("policy", "name of the row: a method, or a reference such as popular slate"),
        _text("policy_id", "fingerprint of the policy; empty for reference rows", nullable=True),
        _SIMULATOR_ID,
        _text("kind", "own (judged where it learned), transferred, or reference"),
        _PRESET,
        _count("slate_size", "K, items a slate"),
        _figure("cost", "c, what an item that was shown and not liked takes from the reward"),
        _figure("temper0", "patience that a session begins with"),
        _count("max_steps", "slates after which a session ended in any case"),
        _text("embedding_id", "the vectors the simulator sees", nullable=True),
        _SEED,
        _count("n_sessions", "whole sessions played"),
        _figure("total_reward", "mean over sessions of the summed step rewards"),
        _figure("total_reward_sd", "its standard deviation over sessions"),
        _figure("ci_low", "lower end of the 95 % interval of the mean"),
        _figure("ci_high", "upper end of the 95 % interval of the mean"),
        _figure("depth", "mean number of steps a session"),
        _figure("user_reward_variance", "variance across users of their total reward"),
        _count("distinct_items", "different items shown in all sessions"),
        _figure("gini", "Gini coefficient of exposure over active items, 0 = equal"),
        _SPENT_TEMPER,
    ),
    ("release_id", "policy", "simulator_id", "seed"),
)
TRAINING_CURVES = Table(
    "training_curves",
    "one figure at one iteration of a training",
    (_POLICY_ID, _count("iteration", "updates so far"), c.METRIC, c.METRIC_VALUE),
    ("policy_id", "iteration", "metric"),
)
RUNS = Table(
    "runs",
    "one run of a flow, also of one that was refused",
    (
        c.RUN_ID,
        _text("flow", "daily-refresh, nightly-retrain, rollback, gc or reproduce"),
        _text("status", "running, completed, failed, nothing new, or killed"),
        _CODE_VERSION,
        _CONFIG,
        _count("release_id", "the release it published; empty if none", nullable=True),
        _time("started_at", "when it began, UTC"),
        _time("finished_at", "when it ended, UTC; empty while it runs or if it was killed", nullable=True),
        _text("stage_seconds", "wall seconds per stage, a JSON object", nullable=True),
        _figure("cpu_seconds", "processor time, seconds", nullable=True),
        _figure("peak_memory_mb", "largest resident memory, MB", nullable=True),
        _text("message", "why it failed, one line", nullable=True),
    ),
    ("run_id",),
)
AUDITS = Table(
    "audits",
    "one audit of one release, also of a refused one",
    (
        c.RUN_ID,
        _count("release_id", "the release it judged, published or not"),
        _text("audit", "name of the file in sql/audits"),
        _text("severity", "block or warn"),
        _count("n_offenders", "offending rows"),
        Column("examples", _TEXTS, "at most 20 of them, JSON objects"),
        _time("checked_at", "when, UTC"),
    ),
    ("run_id", "release_id", "audit"),
)
QUARANTINE = Table(
    "quarantine",
    "one raw row that was not accepted, and why",
    (c.RUN_ID, c.INGEST_ID, c.FILE, c.LINE, c.RAW, c.REASON),
    (),
)
EXPERIMENTS = Table(
    "experiments",
    "one variant of a study, learned with one seed and judged in one simulator; never published, its policy may be gone",
    (
        c.RUN_ID,
        _count("release_id", "the release whose records and Semantic IDs it learned from"),
        _text("study", "ablation, sensitivity, weights, variance, paper, horizon or tried"),
        _text("variant", "its name, or that of a reference row"),
        _text("kind", "own (judged where it learned), transferred, or reference"),
        _SEED,
        _SIMULATOR_ID,
        _text("policy_id", "fingerprint of the policy; empty for reference rows", nullable=True),
        _text("changes", "settings by which the variant differs from the configured one, a JSON object"),
        _CONFIG,
        _PRESET,
        _count("n_sessions", "whole sessions played"),
        _figure("total_reward", "mean over sessions of the summed step rewards"),
        _figure("total_reward_sd", "its standard deviation over sessions"),
        _figure("ci_low", "lower end of the 95 % interval of the mean over sessions"),
        _figure("ci_high", "upper end of the 95 % interval of the mean over sessions"),
        _figure("depth", "mean number of steps a session"),
        _figure("user_reward_variance", "variance across users of their total reward"),
        _count("distinct_items", "different items shown in all sessions"),
        _figure("gini", "Gini coefficient of exposure over active items, 0 = equal"),
        _SPENT_TEMPER,
        _figure("cpu_seconds", "processor time of its training; empty where the policy was known before", nullable=True),
    ),
    ("run_id", "variant", "kind", "seed", "simulator_id"),
)
DICTIONARY = Table(
    "dictionary",
    "one table, column, view or macro of the warehouse",
    (
        _text("name", "the table, view or macro"),
        _text("column_name", "the column; empty for the table, view or macro itself", nullable=True),
        _text("kind", "table, column, view or macro"),
        _text("type", "SQL type of a column", nullable=True),
        _text("doc", "what it means"),
    ),
    (),
)

# Rows come as Parquet files that are registered, never through INSERT.
BULK = (contracts.EVENTS, contracts.RECORD_ROWS, contracts.EMBEDDINGS)
# Committed on their own, so that the evidence of a refused night survives its rollback.
LEDGERS = (RUNS, AUDITS, QUARANTINE, EXPERIMENTS)
TABLES = {
    table.name: table
    for table in (
        *BULK,
        contracts.ITEMS,
        contracts.USERS,
        contracts.SPLITS,
        contracts.CODEBOOKS,
        contracts.SID_HISTORY,
        contracts.SID_METRICS,
        contracts.SID_WAITING,
        SID_MISSING,
        RELEASES,
        INGESTS,
        INGEST_FILES,
        INGEST_LINES,
        SOURCE_MEANINGS,
        ARTIFACTS,
        SIMULATORS,
        POLICIES,
        EVALUATIONS,
        TRAINING_CURVES,
        *LEDGERS,
        DICTIONARY,
    )
}

_SQL_TYPES: dict[pl.DataType, str] = {
    pl.Boolean(): "BOOLEAN",
    pl.Int64(): "BIGINT",
    pl.UInt8(): "UTINYINT",
    pl.UInt16(): "USMALLINT",
    pl.UInt32(): "UINTEGER",
    pl.UInt64(): "UBIGINT",
    pl.Float32(): "FLOAT",
    pl.Float64(): "DOUBLE",
    pl.String(): "VARCHAR",
    TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
}


def sql_type(dtype: pl.DataType) -> str:
    """The DuckDB type that holds a column of ``dtype``: ``List(UInt16)`` → ``USMALLINT[]``."""
    if isinstance(dtype, pl.List):
        inner = dtype.inner
        return sql_type(inner() if isinstance(inner, type) else inner) + "[]"
    return _SQL_TYPES[dtype]
