"""Where the things of a trace stand in its drawing: few boxes in columns, what was made to the right of what it was made from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.warehouse.tables import BULK
from pipeline.warehouse.trace import Node, Trace

# A column shows so many things of a kind one by one; more of them share a box.
_AT_MOST = 3
# Files of these kinds say nothing one by one: two of them share a box already.
_FILES = {*(table.name for table in BULK), "raw file", "user_state"}
_CALLED = {"record_rows": "record file", "events": "event file", "embeddings": "vector file"}
_PLURALS = {"policy": "policies", "records": "records"}


@dataclass(frozen=True)
class Box:
    """What stands in one place: one thing, or all of a kind that lie equally far from the raw files.

    Attributes:
        ids: of the nodes, ordered by name.
        column: 0 = farthest to the left.
        is_subject: whether the walk began there.
        is_dependant: whether it was made from the subject.
    """

    ids: tuple[str, ...]
    column: int
    is_subject: bool
    is_dependant: bool


def called(kind: str, n: int = 1) -> str:
    """A kind in words; with the number where it is more than one."""
    word = _CALLED.get(kind, kind.replace("_", " "))
    return word if n == 1 else f"{_PLURALS.get(word, word + 's')} × {n:,}"


def boxes_of(trace: Trace) -> list[Box]:
    """All boxes, by column and from the top down: the subject first, then by kind and name.

    Raises:
        QueryError: something was made from itself.
    """
    depths = _depths(trace)
    columns = {depth: column for column, depth in enumerate(sorted(set(depths.values())))}
    dependants = _dependants(trace)
    groups: dict[tuple[int, bool, bool, str], list[str]] = defaultdict(list)
    for node_id, node in trace.nodes.items():
        groups[columns[depths[node_id]], node_id in trace.started, node_id in dependants, node.kind].append(node_id)
    boxes = []
    for (column, is_subject, is_dependant, kind), ids in groups.items():
        for group in _grouped(sorted(ids, key=lambda node_id: _order(trace.nodes[node_id])), kind, trace.subject):
            boxes.append(Box(group, column, is_subject, is_dependant))
    return sorted(boxes, key=lambda box: (box.column, not box.is_subject, _order(trace.nodes[box.ids[0]]), box.ids))


def lines_of(trace: Trace, boxes: Sequence[Box]) -> list[tuple[int, int]]:
    """Pairs of numbers of boxes, from what was made from to what was made; none where a way over other boxes says the same."""
    at = {node_id: number for number, box in enumerate(boxes) for node_id in box.ids}
    follow: dict[int, set[int]] = {number: set() for number in range(len(boxes))}
    for made, source in trace.edges:
        if at[made] != at[source]:
            follow[at[source]].add(at[made])
    beyond = {number: set().union(*(_reachable(follow, other) for other in others)) for number, others in follow.items()}
    return sorted((source, made) for source, others in follow.items() for made in others - beyond[source])


def _order(node: Node) -> tuple[str, int, str, str]:
    """By kind, then by name, shorter ones first: release 9 before release 10."""
    return node.kind, len(node.name), node.name, node.id


def _depths(trace: Trace) -> dict[str, int]:
    """Changes of kind on the longest way from something that was made from nothing here.

    A chain of one kind (releases, records night by night) does not add to it, so that three hundred nights are as wide as three; what
    the walk began at always stands apart.
    """
    inputs: dict[str, list[str]] = defaultdict(list)
    for made, source in trace.edges:
        inputs[made].append(source)
    depths: dict[str, int] = {}
    for node_id in trace.in_order():
        depths[node_id] = max((depths[source] + _is_step(trace, node_id, source) for source in inputs[node_id]), default=0)
    return depths


def _is_step(trace: Trace, made: str, source: str) -> bool:
    return trace.nodes[made].kind != trace.nodes[source].kind or bool({made, source} & trace.started)


def _dependants(trace: Trace) -> set[str]:
    """All that was made from the subject."""
    found, waiting = set(), [trace.subject]
    while waiting:
        for other in trace.dependants(waiting.pop()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _grouped(ids: Sequence[str], kind: str, subject: str) -> list[tuple[str, ...]]:
    """Ids that share a box: all or none of them; the subject always has its own."""
    if subject in ids and len(ids) > 1:
        return [(subject,), *_grouped([node_id for node_id in ids if node_id != subject], kind, subject)]
    if len(ids) > (1 if kind in _FILES else _AT_MOST):
        return [tuple(ids)]
    return [(node_id,) for node_id in ids]


def _reachable(follow: Mapping[int, set[int]], start: int) -> set[int]:
    """Boxes that follow a box, over at least one line."""
    found: set[int] = set()
    waiting = [start]
    while waiting:
        fresh = follow[waiting.pop()] - found
        found |= fresh
        waiting += fresh
    return found
