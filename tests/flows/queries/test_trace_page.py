"""The page of a trace: few boxes, the subject in sight, hostile names harmless, circles refused; and the text of one."""

import io
import re
import time
from html.parser import HTMLParser

import pytest
from rich.console import Console

from flows.cli.rendering import questions as present
from flows.queries.trace_page import page
from pipeline.errors import QueryError
from pipeline.warehouse.trace import Node, Trace

SCREEN = 1440


def trace_of(subject: str, *edges: tuple[str, str], names: dict[str, str] | None = None) -> Trace:
    """Ids are kind:name; edges run from what was made to what it was made from."""
    ids = {subject, *(one for edge in edges for one in edge)}
    nodes = {one: Node(one, one.partition(":")[0], (names or {}).get(one, one.partition(":")[2]), "hash") for one in ids}
    return Trace(subject, {"title": nodes[subject].name}, nodes, frozenset(edges), frozenset({subject}))


def nights(n: int) -> list[tuple[str, str]]:
    """n nights of a refresh and a retrain, sixteen files each; the last policy is the subject's."""
    edges = [("embedding_model:e", "simulator:s0"), ("codebook:c", "embedding_model:e"), ("simulator:s0", "records:0")]
    for day in range(n):
        edges += [(f"ingest:{day}", f"raw file:{day}"), (f"records:{day}", f"ingest:{day}")]
        edges += [(f"record_rows:{day}-{bucket}", f"ingest:{day}") for bucket in range(16)]
        edges += [(f"records:{day}", f"record_rows:{day}-{bucket}") for bucket in range(16)]
        edges += [(f"records:{day}", f"records:{day - 1}"), (f"release:{day}", f"release:{day - 1}")] if day else []
        edges += [(f"simulator:{day}", f"records:{day}"), (f"policy:{day}", f"simulator:{day}"), (f"policy:{day}", "codebook:c")]
        edges += [(f"release:{day}", f"policy:{day}"), (f"release:{day}", f"records:{day}")]
    return edges


class Boxes(HTMLParser):
    """x, width and text of every box, and the width of the drawing as the page shows it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.boxes: list[tuple[float, float]] = []
        self.texts: list[str] = []
        self.drawn = 0.0
        self.fits = False
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.add(tag)
        if tag == "rect":
            self.boxes.append((float(told["x"] or 0), float(told["width"] or 0)))
        if tag == "svg":
            self.drawn = float(told["width"] or 0)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("n", [1, 2, 300])
@pytest.mark.parametrize("subject", ["policy:0", "release:0", "simulator:0", "embedding_model:e"])
def test_whatever_the_number_of_nights_the_page_has_few_boxes_and_all_of_them_fit_the_screen(n: int, subject: str) -> None:
    began = time.process_time()
    html = page(trace_of(subject, *nights(n)))
    drawn = Boxes(html)
    assert len(drawn.boxes) <= 40 and drawn.drawn <= SCREEN - 48
    assert max(x + width for x, width in drawn.boxes) <= drawn.drawn
    if n == 300:
        assert "record files × 4,800" in drawn.texts and "raw files × 300" in drawn.texts
    assert time.process_time() - began < 10


def test_files_of_one_kind_are_one_box_and_other_things_are_told_apart() -> None:
    edges = [("codebook:c", "events:1"), ("codebook:c", "events:2"), ("policy:p", "codebook:c"), ("policy:q", "codebook:c")]
    texts = Boxes(page(trace_of("codebook:c", *edges))).texts
    assert "event files × 2" in texts and {"p", "q"} <= set(texts)
    assert Boxes(page(trace_of("codebook:c", *edges))).boxes.__len__() == 4


def test_lines_join_boxes_once_and_no_line_leads_where_another_way_leads_already() -> None:
    """a ← b ← c and a ← c: the last says nothing new."""
    html = page(trace_of("policy:c", ("simulator:b", "records:a"), ("policy:c", "simulator:b"), ("policy:c", "records:a")))
    assert html.count("<path") == 2


def test_diamonds_upon_diamonds_are_drawn_and_told_at_once() -> None:
    """200 layers of two that name both of the layer below."""
    kinds = ("simulator", "policy")
    edges = [
        (f"{kinds[n % 2]}:{side}{n}", f"{kinds[(n - 1) % 2]}:{other}{n - 1}")
        for n in range(1, 200)
        for side in "lr"
        for other in "lr"
    ]
    subject = f"{kinds[1]}:l199"
    found = trace_of(subject, *edges)
    began = time.process_time()
    assert len(page(found)) < 2_000_000
    assert len(text(found).splitlines()) < 500
    assert time.process_time() - began < 10


def text(found: Trace) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    present.trace(console, found)
    return console.export_text()


def test_a_chain_longer_than_a_stack_is_told() -> None:
    found = trace_of("release:5000", *((f"release:{n + 1}", f"release:{n}") for n in range(5_000)))
    told = text(found)
    assert "release 4999" in told and "more" in told and len(told) < 200_000


CIRCLE = [("simulator:s", "release:1"), ("release:1", "embedding_model:e"), ("embedding_model:e", "simulator:s"), ("policy:p", "simulator:s")]  # fmt: skip


@pytest.mark.parametrize("subject", ["policy:p", "simulator:s", "release:1"])
def test_a_circle_is_refused_by_the_drawing_in_one_line_and_the_text_ends(subject: str) -> None:
    found = trace_of(subject, *CIRCLE)
    with pytest.raises(QueryError) as refused:
        page(found)
    line = str(refused.value)
    assert "3 things" in line and "simulator s" in line and "embedding_model e" in line and "--json" in line and "\n" not in line
    assert len(text(found).splitlines()) < 20


def test_a_thing_that_names_itself_is_a_circle_too() -> None:
    with pytest.raises(QueryError, match="1 thing, policy p"):
        page(trace_of("policy:p", ("policy:p", "policy:p")))


HOSTILE = "<script>alert(1)</script> \"'\x1b[31m\x9b\x00\u202e]]>--><!--&amp;"


def test_hostile_names_are_text() -> None:
    """In the title, a fact, a box, a tip and a table: no tag, no attribute, no control character."""
    names = {"item:1": HOSTILE, "policy:p": HOSTILE, "events:1": HOSTILE}
    html = page(trace_of("item:1", ("item:1", "events:1"), ("policy:p", "item:1"), names=names))
    drawn = Boxes(html)
    assert "script" not in drawn.tags and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", html)
    assert sum("<script>alert(1)</script>" in told for told in drawn.texts) >= 4
    assert "\\x1b[31m" in html and "&amp;amp;" in html


def test_the_page_needs_nothing_else() -> None:
    html = page(trace_of("policy:p", *CIRCLE[:0], ("policy:p", "simulator:s")))
    assert "default-src 'none'" in html and not re.search(r"(src|href)=|url\(|@import", html)
