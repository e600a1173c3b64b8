"""Where something comes from and what depends on it: the view ``lineage``, walked both ways from one item, SID, release or policy."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Self

import duckdb

from pipeline.errors import QueryError
from pipeline.warehouse.lake import Lake
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.statements import statement

_FEW = 6  # things of a circle that an error names
# What a walk shows of its subject, by kind: a file of sql/queries.
_FACTS = {
    "release": "facts_of_release",
    "policy": "facts_of_policy",
    "simulator": "facts_of_simulator",
    "ingest": "facts_of_ingest",
}
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
        inputs: dict[str, set[str]] = {node_id: set() for node_id in self.nodes}
        for made, source in self.edges:
            inputs[made].add(source)
        try:
            return list(TopologicalSorter(inputs).static_order())
        except CycleError as error:
            raise QueryError(self._circle(error.args[1][:-1])) from error

    def _circle(self, circle: Sequence[str]) -> str:
        names = [f"{self.nodes[node_id].kind} {self.nodes[node_id].name}" for node_id in circle]
        shown = names if len(names) <= _FEW else [*names[:_FEW], f"{len(names) - _FEW:,} more"]
        things = "1 thing" if len(circle) == 1 else f"{len(circle):,} things"
        return (
            f"trace: lineage goes in a circle of {things}, {' → '.join([*shown, names[0]])}, expected none, and so cannot be drawn; "
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
        return sorted(ids, key=lambda node_id: (self.nodes[node_id].kind, self.nodes[node_id].name, node_id))


@naming_damage
def trace(root: Path, subject: str) -> Trace:
    """Trace one thing back to the raw files and forward to what depends on it, as of the last release.

    Args:
        root: folder of the warehouse.
        subject: ``10`` or ``item:10`` (or its raw id), ``12-203-7`` or ``sid:12``, ``release:3``, or the id of an artifact.

    Raises:
        QueryError: there is no such thing.
        WarehouseError: there is no warehouse at ``root``, or it is of another layout.
    """
    with Lake.open_copy(root) as lake:
        connection = lake.connection
        graph = _Lineage.read(connection)
        if item := _item(connection, subject):
            start, facts = graph.add_item(item)
        elif sids := _sids(connection, subject):
            start, facts = graph.add_sids(sids)
        elif subject in graph.nodes:
            start, facts = [subject], graph.facts_of(subject)
        else:
            raise QueryError(
                f'trace: there is nothing called {subject!r:.80}, expected {_EXPECTED}; see: hsrl sql "from lineage"'
            )
    edges = graph.edges
    back, forth = _reached(start, edges), _reached(start[:1], {(source, made) for made, source in edges})
    # What depends on an item depends on it through its SIDs. Other SIDs of the same codebook do not, and stay out of the answer.
    wanted = back | forth
    kept = frozenset((made, source) for made, source in edges if {made, source} <= back or {made, source} <= forth)
    return Trace(start[0], facts, {node_id: graph.nodes[node_id] for node_id in wanted}, kept, frozenset(start))


def _item(connection: duckdb.DuckDBPyConnection, subject: str) -> int | None:
    text = subject.removeprefix("item:")
    if _SID.fullmatch(text) and "-" in text and text == subject:
        return None
    row = connection.execute(statement("item_by_id"), {"text": text}).fetchone()
    return row[0] if row else None


def _sids(connection: duckdb.DuckDBPyConnection, subject: str) -> list[tuple[str, str, list[int]]]:
    """Codebook, Semantic ID and its items, where the subject is one."""
    return connection.execute(statement("items_ever_under_sid"), {"sid": subject.removeprefix("sid:")}).fetchall()


@dataclass
class _Lineage:
    """The view ``lineage`` as a graph, to which the walk adds what the view leaves out: items and Semantic IDs."""

    connection: duckdb.DuckDBPyConnection
    nodes: dict[str, Node]
    edges: set[tuple[str, str]]

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection) -> Self:
        """All of the view."""
        rows = connection.execute(statement("lineage_edges")).fetchall()
        hashes = dict(connection.execute("SELECT artifact_id, sha256 FROM artifacts").fetchall())
        nodes = {row[0]: Node(row[0], row[1], row[2], hashes.get(row[0])) for row in rows}
        nodes |= {row[3]: Node(row[3], row[4], row[5], row[6]) for row in rows if row[3] not in nodes}
        return cls(connection, nodes, {(row[0], row[3]) for row in rows})

    def add_item(self, item_id: int) -> tuple[list[str], dict[str, Any]]:
        """Enter an item, the ingests that brought its events, and the Semantic IDs it had; return where to start, and its facts."""
        facts = self._first_row("facts_of_item", item_id=item_id)
        node_id = f"item:{facts['raw_id']}"
        self.nodes[node_id] = Node(node_id, "item", str(facts["title"] or facts["raw_id"]))
        shown = self._rows("events_of_item", item_id=item_id)
        self.edges |= {(node_id, ingest) for ingest, *_ in shown if ingest in self.nodes}
        facts |= {"events": sum(n for _, n, _ in shown), "positives": int(sum(likes for *_, likes in shown))}
        start = [node_id]
        for number, (sid, book, slot, first, last, reason, error) in enumerate(self._rows("history_of_item", item_id=item_id), 1):
            start.append(self._add_sid(book, sid, [node_id]))
            until = "" if last is None else f" to before release {last}"
            facts[f"sid {number}"] = f"{sid} (slot {slot}) from release {first}{until}: {reason}, error {error:.4g}"
        missing = self.connection.execute("SELECT reason FROM sid_missing WHERE item_id = ?", [item_id]).fetchone()
        return start, facts | ({"no sid": missing[0]} if missing else {})

    def add_sids(self, sids: list[tuple[str, str, list[int]]]) -> tuple[list[str], dict[str, Any]]:
        """Enter Semantic IDs and the items that had them; return where to start, and which items have them now."""
        start, facts = [], {}
        for book, sid, items in sids:
            titles = self._rows("titles_of_items", item_ids=items)
            for raw_id, title in titles:
                self.nodes[f"item:{raw_id}"] = Node(f"item:{raw_id}", "item", title)
            start.append(self._add_sid(book, sid, [f"item:{raw_id}" for raw_id, _ in titles]))
            now = self._first_row("items_now_under_sid", codebook_id=book, sid=sid)
            facts[f"items now, codebook {book}"] = ", ".join(now["raw_ids"] or []) or "none"
        return start, facts

    def facts_of(self, node_id: str) -> dict[str, Any]:
        """What the tables say of a release, a policy or another artifact."""
        return self._first_row(_FACTS.get(self.nodes[node_id].kind, "facts_of_artifact"), id=node_id)

    def _add_sid(self, book: str, sid: str, items: list[str]) -> str:
        """A Semantic ID, made from its codebook and its items; the policies of that codebook were made from it."""
        node_id = f"sid:{book}/{sid}"
        self.nodes[node_id] = Node(node_id, "semantic id", sid)
        self.nodes.setdefault(book, Node(book, "codebook", book))
        self.edges |= {(node_id, book), *((node_id, item) for item in items)}
        policies = self.connection.execute("SELECT artifact_id FROM policies WHERE codebook_id = ?", [book]).fetchall()
        self.edges |= {(policy, node_id) for (policy,) in policies if policy in self.nodes}
        return node_id

    def _rows(self, query: str, **parameters: Any) -> list[Any]:
        """The rows of a file of ``sql/queries``."""
        return self.connection.execute(statement(query), parameters).fetchall()

    def _first_row(self, query: str, **parameters: Any) -> dict[str, Any]:
        """The first row of a file of ``sql/queries``, by name; {} where there is none."""
        answer = self.connection.execute(statement(query), parameters)
        names, row = [column[0] for column in answer.description or []], answer.fetchone()
        return dict(zip(names, row, strict=True)) if row else {}


def _reached(start: list[str], edges: set[tuple[str, str]]) -> set[str]:
    """``start`` and all that can be reached from it over (from, to)."""
    steps: dict[str, list[str]] = {}
    for node_id, other in edges:
        steps.setdefault(node_id, []).append(other)
    found, waiting = set(start), list(start)
    while waiting:
        for other in steps.get(waiting.pop(), []):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found
