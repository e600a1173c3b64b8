"""Tables that only the warehouse keeps (releases, ingests, artifacts, ledgers), and the list of all its tables."""

from pipeline import columns as c
from pipeline import contracts
from pipeline.columns import Column
from pipeline.contracts import Table
from pipeline.warehouse import columns as w
from pipeline.warehouse import result_tables as results

RELEASES = Table(
    "releases",
    "one published state of the warehouse",
    (
        c.RELEASE_ID,
        c.RUN_ID,
        w.text("kind", "refresh, rebuild (a refresh that was asked for new Semantic IDs), retrain, rollback or forget"),
        w.count(
            "parent_id",
            "the release it was built upon, of a rollback the one it went back to; empty for the first",
            nullable=True,
        ),
        w.CODE_VERSION,
        w.CONFIG,
        w.SEED,
        w.INPUTS,
        w.CREATED_AT,
    ),
    ("release_id",),
)
INGESTS = Table(
    "ingests",
    "one delivery that was taken in; n_rows = n_accepted + n_rejected + n_known",
    (
        c.INGEST_ID,
        c.SOURCE,
        w.text("delivery_id", "the delivery the file arrived with, such as a day"),
        w.count("sequence", "number of the delivery in the warehouse, 0 = first"),
        w.count("n_rows", "raw rows read"),
        w.count("n_accepted", "rows that became events"),
        w.count("n_rejected", "rows in quarantine"),
        w.count("n_known", "rows the warehouse already had"),
        w.count("n_late", "events that came before some of their user that the warehouse had"),
        w.count("n_positives", "events with feedback 1"),
        w.count("n_users", "users of its events"),
        w.count("n_new_users", "… that had no event before"),
        w.count("n_items", "items of its events"),
        w.count("n_new_items", "… that were in no catalogue and no event before"),
        Column("replaces", w.TEXTS, "ingests of the same delivery whose events went, as it was corrected"),
        c.RELEASE_ID,
    ),
    ("ingest_id",),
)
SOURCE_MEANINGS = Table(
    "source_meanings",
    "one setting that gives the rows of a source their meaning, and the release since which it holds",
    (
        c.SOURCE,
        w.text(
            "setting",
            "name of the setting, such as source.time_unit; source.ids and source.times are decided by the first delivery",
        ),
        w.text("value", "its value, JSON"),
        c.RELEASE_ID,
    ),
    ("source", "setting", "release_id"),
)
INGEST_FILES = Table(
    "ingest_files",
    "one raw file of a delivery that was taken in",
    (c.INGEST_ID, c.FILE, w.SHA256, w.BYTES),
    ("ingest_id", "file"),
)
INGEST_LINES = Table(
    "ingest_lines",
    "what became of the lines of a raw text, or of the rows of a Parquet file: n_lines = n_header + n_blank + n_continued + n_rows",
    (
        c.INGEST_ID,
        c.FILE,
        c.CONTENT,
        w.SHA256,
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
        w.ARTIFACT_ID,
        w.text("kind", "what it is: a table's name for data files, else codebook, embedding_model, simulator, policy …"),
        w.text("path", "place below the warehouse folder"),
        w.count("rows", "rows of a data file; empty for anything else", nullable=True),
        w.BYTES,
        w.SHA256,
        w.INPUTS,
        c.RUN_ID,
        c.RELEASE_ID,
        w.CREATED_AT,
    ),
    ("artifact_id",),
)
REBUILT_USERS = Table(
    "rebuilt_users",
    "one user whose events and records a release laid out anew, all of them, as events were late or a day was corrected",
    (c.USER_ID, c.INGEST_ID, c.RELEASE_ID),
    ("user_id", "release_id"),
)
FORGOTTEN = Table(
    "forgotten",
    "one user or item that was asked to be forgotten; rows of raw files that bring it again are left out, and count as known",
    (
        w.text("kind", "user or item"),
        w.text("id_sha256", "sha256 of kind, colon and id: sha256('user:' || user_id)"),
        c.RELEASE_ID,
    ),
    ("kind", "id_sha256"),
)
SID_MISSING = Table(
    "sid_missing",
    "one active item that has no Semantic ID, and why",
    (c.ITEM_ID, c.REASON, c.RELEASE_ID),
    ("item_id",),
)
RUNS = Table(
    "runs",
    "one run of a flow, also of one that was refused",
    (
        c.RUN_ID,
        w.text("flow", "daily-refresh, requeue, nightly-retrain, rollback, forget, gc or reproduce"),
        w.text("status", "running, completed, failed, nothing new, or killed"),
        w.CODE_VERSION,
        w.CONFIG,
        w.count("release_id", "the release it published; empty if none", nullable=True),
        w.time("started_at", "when it began, UTC"),
        w.time("finished_at", "when it ended, UTC; empty while it runs or if it was killed", nullable=True),
        w.text("stage_seconds", "wall seconds per stage, a JSON object", nullable=True),
        w.figure("cpu_seconds", "processor time, seconds", nullable=True),
        w.figure("peak_memory_mb", "largest resident memory, MB", nullable=True),
        w.text("message", "why it failed, or what the gate said of a policy, one line", nullable=True),
    ),
    ("run_id",),
)
AUDITS = Table(
    "audits",
    "one audit of one release, also of a refused one",
    (
        c.RUN_ID,
        w.count("release_id", "the release it judged, published or not"),
        w.text("audit", "name of the file in sql/audits"),
        w.text("severity", "block or warn"),
        w.count("n_offenders", "offending rows"),
        Column("examples", w.TEXTS, "at most 20 of them, JSON objects"),
        w.time("checked_at", "when, UTC"),
    ),
    ("run_id", "release_id", "audit"),
)
QUARANTINE = Table(
    "quarantine",
    "one raw row that was not accepted, and why",
    (c.RUN_ID, c.INGEST_ID, c.FILE, c.LINE, c.RAW, c.REASON),
    (),
)
DICTIONARY = Table(
    "dictionary",
    "one table, column, view or macro of the warehouse",
    (
        w.text("name", "the table, view or macro"),
        w.text("column_name", "the column; empty for the table, view or macro itself", nullable=True),
        w.text("kind", "table, column, view or macro"),
        w.text("type", "SQL type of a column", nullable=True),
        w.text("doc", "what it means"),
    ),
    (),
)

# Rows come as Parquet files that are registered, never through INSERT.
BULK = (contracts.EVENTS, contracts.RECORD_ROWS, contracts.EMBEDDINGS)
# Committed on their own, so that the evidence of a refused night survives its rollback.
LEDGERS = (RUNS, AUDITS, QUARANTINE, results.EXPERIMENTS)
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
        REBUILT_USERS,
        FORGOTTEN,
        SOURCE_MEANINGS,
        ARTIFACTS,
        results.SIMULATORS,
        results.POLICIES,
        results.EVALUATIONS,
        results.REAL_ANSWERS,
        results.CLAIMS,
        results.TRAINING_CURVES,
        *LEDGERS,
        DICTIONARY,
    )
}
