"""Where something comes from and what depends on it: the view ``lineage``, walked both ways from one item, SID, release or policy."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from pipeline.errors import QueryError
from pipeline.warehouse.lake import open_readers
from pipeline.warehouse.naming_damage import naming_damage

_FEW = 6  # things of a circle that an error names
_SID = re.compile(r"\d+(-\d+)*")
_EXPECTED = (
    "an item (10 or item:10), a Semantic ID (12-203-7 or sid:12), a release (release:3), or the id of a policy or other artifact"
)


@dataclass(frozen=True)
class Node:
    """One thing: ``kind`` says what, ``name`` what people call it; ``sha256`` of its bytes where it is a file or folder."""

    id: str
    kind: str
    name: str
    sha256: str | None = None


@dataclass(frozen=True)
class Trace:
    """What was found.

    Attributes:
        subject: id of what was asked for.
        facts: what the tables say of it: name → value.
        nodes: the subject, all it was made from and all that was made from it, by id.
        edges: (id, input_id) between them.
        started: ids at which the walk began: the subject and, of an item or SID, the SIDs and items behind it.
    """

    subject: str
    facts: Mapping[str, Any]
    nodes: Mapping[str, Node]
    edges: frozenset[tuple[str, str]]
    started: frozenset[str]

    def inputs(self, node: str) -> list[str]:
        """What a node was made from, by kind and name."""
        return self._ordered(self._neighbours[0][node])

    def dependants(self, node: str) -> list[str]:
        """What was made from a node."""
        return self._ordered(self._neighbours[1][node])

    def in_order(self) -> list[str]:
        """Every id after all that it was made from.

        Raises:
            QueryError: something was made from itself; the circle is named.
        """
        inputs: dict[str, set[str]] = {one: set() for one in self.nodes}
        for made, source in self.edges:
            inputs[made].add(source)
        try:
            return list(TopologicalSorter(inputs).static_order())
        except CycleError as error:
            raise QueryError(self._circle(error.args[1][:-1])) from error

    def _circle(self, circle: Sequence[str]) -> str:
        names = [f"{self.nodes[one].kind} {self.nodes[one].name}" for one in circle]
        told = names if len(names) <= _FEW else [*names[:_FEW], f"{len(names) - _FEW:,} more"]
        things = "1 thing" if len(circle) == 1 else f"{len(circle):,} things"
        return (
            f"trace: lineage goes in a circle of {things}, {' → '.join([*told, names[0]])}, expected none, and so cannot be drawn; "
            f"tell it as text, without --html, or with: hsrl trace {self.subject} --json"
        )

    @cached_property
    def _neighbours(self) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
        """Inputs and dependants of every id."""
        inputs, dependants = defaultdict(list), defaultdict(list)
        for made, source in self.edges:
            inputs[made].append(source)
            dependants[source].append(made)
        return inputs, dependants

    def _ordered(self, ids: Iterable[str]) -> list[str]:
        return sorted(ids, key=lambda one: (self.nodes[one].kind, self.nodes[one].name, one))


@naming_damage
def trace(root: Path, subject: str) -> Trace:
    """Trace one thing back to the raw files and forward to what depends on it, as of the last release.

    Args:
        root: folder of the warehouse.
        subject: ``10`` or ``item:10`` (or its raw id), ``12-203-7`` or ``sid:12``, ``release:3``, or the id of an artifact.

    Raises:
        QueryError: there is no such thing.
        WarehouseError: there is no warehouse at ``root``.
    """
    with open_readers(root) as connection:
        nodes, edges = _lineage(connection)
        if item := _item(connection, subject):
            start, facts = _add_item(connection, item, nodes, edges)
        elif sids := _sids(connection, subject):
            start, facts = _add_sid(connection, sids, nodes, edges)
        elif subject in nodes:
            start, facts = [subject], _facts_of(connection, nodes[subject])
        else:
            raise QueryError(
                f'trace: there is nothing called {subject!r:.80}, expected {_EXPECTED}; see: hsrl sql "from lineage"'
            )
    back, forth = _reached(start, edges), _reached(start[:1], {(source, made) for made, source in edges})
    # Whatever depends on an item depends on it through its SIDs, whose codebook others share: those others are none of it.
    wanted = back | forth
    kept = frozenset((made, source) for made, source in edges if {made, source} <= back or {made, source} <= forth)
    return Trace(start[0], facts, {one: nodes[one] for one in wanted}, kept, frozenset(start))


def _lineage(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, Node], set[tuple[str, str]]]:
    rows = connection.execute("SELECT id, kind, name, input_id, input_kind, input_name, input_sha256 FROM lineage").fetchall()
    hashes = dict(connection.execute("SELECT artifact_id, sha256 FROM artifacts").fetchall())
    nodes = {row[0]: Node(row[0], row[1], row[2], hashes.get(row[0])) for row in rows}
    nodes |= {row[3]: Node(row[3], row[4], row[5], row[6]) for row in rows if row[3] not in nodes}
    return nodes, {(row[0], row[3]) for row in rows}


def _item(connection: duckdb.DuckDBPyConnection, subject: str) -> int | None:
    text = subject.removeprefix("item:")
    if _SID.fullmatch(text) and "-" in text and text == subject:
        return None
    row = connection.execute(
        "SELECT item_id FROM items WHERE raw_id = $text OR item_id = TRY_CAST($text AS BIGINT) ORDER BY raw_id <> $text LIMIT 1",
        {"text": text},
    ).fetchone()
    return row[0] if row else None


def _sids(connection: duckdb.DuckDBPyConnection, subject: str) -> list[tuple[str, str, list[int]]]:
    return connection.execute(
        "SELECT codebook_id, sid, list(DISTINCT item_id ORDER BY item_id) FROM sid_history WHERE sid = ? GROUP BY ALL ORDER BY 1",
        [subject.removeprefix("sid:")],
    ).fetchall()


def _add_item(
    connection: duckdb.DuckDBPyConnection, item: int, nodes: dict[str, Node], edges: set[tuple[str, str]]
) -> tuple[list[str], dict[str, Any]]:
    """Enter an item, the ingests that brought its events, and the Semantic IDs it had; return where to start, and its facts."""
    told = connection.execute(
        "SELECT raw_id, title, categories, is_active, first_seen, last_seen FROM items WHERE item_id = ?", [item]
    )
    names = [column[0] for column in told.description or []]
    facts: dict[str, Any] = dict(zip(names, told.fetchone() or (), strict=True))
    me = f"item:{facts['raw_id']}"
    nodes[me] = Node(me, "item", str(facts["title"] or facts["raw_id"]))
    shown = connection.execute(
        "SELECT ingest_id, count(user_seq), sum(feedback) FROM events WHERE item_id = ? GROUP BY ingest_id", [item]
    ).fetchall()
    edges |= {(me, ingest) for ingest, *_ in shown if ingest in nodes}
    facts |= {"events": sum(n for _, n, _ in shown), "positives": int(sum(likes for *_, likes in shown))}
    history = connection.execute(
        "SELECT sid, codebook_id, slot, valid_from, valid_to, reason, recon_error FROM sid_history WHERE item_id = ? ORDER BY valid_from",
        [item],
    ).fetchall()
    start = [me]
    for place, (sid, book, slot, first, last, reason, error) in enumerate(history):
        start.append(_add_sid_node(connection, book, sid, [me], nodes, edges))
        until = "" if last is None else f" to before release {last}"
        facts[f"sid {place + 1}"] = f"{sid} (slot {slot}) from release {first}{until}: {reason}, error {error:.4g}"
    missing = connection.execute("SELECT reason FROM sid_missing WHERE item_id = ?", [item]).fetchone()
    return start, facts | ({"no sid": missing[0]} if missing else {})


def _add_sid(
    connection: duckdb.DuckDBPyConnection,
    sids: list[tuple[str, str, list[int]]],
    nodes: dict[str, Node],
    edges: set[tuple[str, str]],
) -> tuple[list[str], dict[str, Any]]:
    start, facts = [], {}
    for book, sid, items in sids:
        titles = connection.execute(
            "SELECT raw_id, coalesce(title, raw_id) FROM items WHERE item_id IN (SELECT unnest(?)) ORDER BY item_id", [items]
        ).fetchall()
        for raw_id, title in titles:
            nodes[f"item:{raw_id}"] = Node(f"item:{raw_id}", "item", title)
        start.append(_add_sid_node(connection, book, sid, [f"item:{raw_id}" for raw_id, _ in titles], nodes, edges))
        now = connection.execute(
            "SELECT list(coalesce(raw_id, item_id::VARCHAR) ORDER BY slot) FROM sid_history LEFT JOIN items USING (item_id) "
            "WHERE codebook_id = ? AND sid = ? AND valid_to IS NULL",
            [book, sid],
        ).fetchone()
        facts[f"items now, codebook {book}"] = ", ".join((now and now[0]) or []) or "none"
    return start, facts


def _add_sid_node(
    connection: duckdb.DuckDBPyConnection,
    book: str,
    sid: str,
    items: list[str],
    nodes: dict[str, Node],
    edges: set[tuple[str, str]],
) -> str:
    me = f"sid:{book}/{sid}"
    nodes[me] = Node(me, "semantic id", sid)
    nodes.setdefault(book, Node(book, "codebook", book))
    edges |= {(me, book), *((me, item) for item in items)}
    policies = connection.execute("SELECT artifact_id FROM policies WHERE codebook_id = ?", [book]).fetchall()
    edges |= {(policy, me) for (policy,) in policies if policy in nodes}
    return me


def _facts_of(connection: duckdb.DuckDBPyConnection, node: Node) -> dict[str, Any]:
    asks = {
        "release": "SELECT kind, parent_id, run_id, code_version, seed, created_at, config FROM releases WHERE 'release:' || release_id = ?",
        "policy": (
            "SELECT method, preset, seed, codebook_id, n_iterations, cpu_seconds, is_published, release_id, config "
            "FROM policies WHERE artifact_id = ?"
        ),
        "simulator": "SELECT preset, fit_on, seed, auc, judged_on, release_id FROM simulators WHERE artifact_id = ?",
        "ingest": "SELECT source, delivery_id, n_rows, n_accepted, n_rejected, n_known, release_id FROM ingests WHERE ingest_id = ?",
    }
    ask = asks.get(
        node.kind, "SELECT kind, path, rows, bytes, sha256, release_id, created_at FROM artifacts WHERE artifact_id = ?"
    )
    answer = connection.execute(ask, [node.id])
    names, row = [column[0] for column in answer.description or []], answer.fetchone()
    return dict(zip(names, row, strict=True)) if row else {}


def _reached(start: list[str], edges: set[tuple[str, str]]) -> set[str]:
    """``start`` and all that can be reached from it over (from, to)."""
    steps: dict[str, list[str]] = {}
    for one, other in edges:
        steps.setdefault(one, []).append(other)
    found, waiting = set(start), list(start)
    while waiting:
        for other in steps.get(waiting.pop(), []):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found
