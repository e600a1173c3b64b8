"""The morning page in every state of a warehouse: well-formed, alone, readable on a phone, and the same bytes twice."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from flows.plots.style import drawn_svg, few_ticks
from flows.report.axes import short_names
from flows.report.facts import read_facts
from flows.report.page import page
from flows.report.write import _drop_old, reported, write_report
from tests.flows.cli.test_extras import without
from tests.flows.conftest import World

VOID = {"meta", "br", "hr", "img", "link", "input"}
STATES = ["fresh", "without a policy", "one night", "sixty nights", "refused last"]


class Checked(HTMLParser):
    """The tags, ids and references of a page; a tag that is not closed where it was opened is a fault."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.note(tag, attrs)

    def note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href", "srcset", "action"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def roots(empty_warehouse: Path, refreshed: World, retrained: World, sixty: Path, refused: World) -> dict[str, Path]:
    return dict(zip(STATES, (empty_warehouse, refreshed.root, retrained.root, sixty, refused.root), strict=True))


@pytest.fixture(scope="module")
def pages(roots: dict[str, Path]) -> dict[str, str]:
    return {state: page(read_facts(root)) for state, root in roots.items()}


@pytest.mark.parametrize("state", STATES)
def test_a_page_is_well_formed_and_needs_nothing_else(pages: dict[str, str], state: str) -> None:
    html = pages[state]
    checked = Checked(html)
    assert checked.faults == [] and checked.open == []
    assert len(checked.ids) == len(set(checked.ids))
    assert all(link.startswith("#") and link[1:] in checked.ids for link in checked.links)
    assert all(target in checked.ids for target in re.findall(r"url\(#([^)]+)\)", html))
    assert not re.search(r"url\((?!#)|@import|<script|<link|<img|<iframe", html)
    assert "name='viewport' content='width=device-width" in html and "prefers-color-scheme:dark" in html


@pytest.mark.parametrize("state", STATES)
def test_the_same_facts_are_the_same_bytes(pages: dict[str, str], roots: dict[str, Path], state: str) -> None:
    assert page(read_facts(roots[state])) == pages[state]


@pytest.mark.parametrize("state", STATES)
def test_its_parts_stand_in_the_order_of_a_morning(pages: dict[str, str], state: str) -> None:
    heads = re.findall(r"<h2>(.*?)</h2>", pages[state])
    assert heads == [
        "Last night",
        "Rows in",
        "Drift of the log",
        "Semantic IDs",
        "Simulators and policies",
        "Training",
        "Costs",
        "Disk",
    ]


@pytest.mark.parametrize(("state", "least"), [("fresh", 0), ("without a policy", 5), ("one night", 14), ("refused last", 14)])
def test_pictures_are_drawn_of_what_is_there(pages: dict[str, str], state: str, least: int) -> None:
    n_drawn = Checked(pages[state]).tags.count("svg")
    assert n_drawn >= least and (least or not n_drawn)


def test_a_fresh_warehouse_says_what_to_do(pages: dict[str, str]) -> None:
    assert "Nothing is published yet." in pages["fresh"] and "<code>hsrl refresh</code>" in pages["fresh"]
    assert "<code>hsrl retrain</code>" in pages["without a policy"]


def test_a_refused_night_is_said_first_and_in_words(pages: dict[str, str]) -> None:
    text = "".join(Checked(pages["refused last"]).text)
    assert "The last refresh was refused. Readers see release 2 (retrain," in text
    assert "share of positives of 2026-01-04 is 0.000, usually 0." in text and "What it checks: No delivery" in text


def test_the_table_shows_figures_with_their_intervals(pages: dict[str, str], retrained: World) -> None:
    row = next(row for row in retrained.report["evaluation"] if row["policy"] == "hsrl" and row["kind"] == "panel")
    cell = f"<td class=n>{row['total_reward']:.2f}<small>{row['ci_low']:.2f}…{row['ci_high']:.2f}</small></td>"
    assert cell in pages["one night"]


def test_text_of_the_data_is_text(pages: dict[str, str]) -> None:
    assert "item &lt;script&gt;alert(1)&lt;/script&gt; is no number" in pages["sixty nights"]


def test_a_dollar_sign_in_a_name_is_one() -> None:
    html = drawn_svg("name", 'a "label" & <more>', lambda axes: few_ticks(axes, ["$1$", "a<b"]))
    assert "$1$" in html and "a&lt;b" in html and 'aria-label="a &quot;label&quot; &amp; &lt;more>"' in html


def test_long_names_stand_under_fewer_places() -> None:
    """Of seven names every second is written; of 21 letters no more than two fit."""
    short, long = [str(day) for day in range(7)], [f"events-2026-01-0{day}.csv" for day in range(7)]
    html = [drawn_svg("name", "label", lambda axes, names=names: few_ticks(axes, names, 4)) for names in (short, long)]
    assert [sum(f">{name}<" in drawn for name in names) for drawn, names in zip(html, (short, long), strict=True)] == [4, 2]


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["events-2026-01-02.csv", "events-2026-01-03-late.csv"], ["2026-01-02", "2026-01-03-late"]),
        (["log.csv.gz", "log.csv"], ["log.csv.gz", "log.csv"]),
        (["all.csv"], ["all.csv"]),
        ([], []),
    ],
)
def test_names_are_shortened_by_what_all_share(names: list[str], short: list[str]) -> None:
    assert short_names(names) == short


def test_nights_that_went_wrong_before_are_listed(pages: dict[str, str]) -> None:
    html = pages["sixty nights"]
    assert "Earlier runs that went wrong: 3" in html and "no space left" in html


def test_what_is_no_night_is_listed_too(pages: dict[str, str]) -> None:
    html = pages["sixty nights"]
    assert "<td>gc</td><td>killed</td>" in html
    assert "0.3 makes release 20, 0.2 made those before" in html
    assert "Also in these nights" not in pages["one night"]


def test_late_rows_are_counted(pages: dict[str, str]) -> None:
    html = pages["sixty nights"]
    assert "<th class=n>known already</th><th class=n>late</th>" in html
    assert re.search(r"<tr><td>day 64</td>(<td class=n>[^<]*</td>){5}<td class=n>7</td>", html)


def test_pictures_take_the_colours_of_the_page(pages: dict[str, str]) -> None:
    assert "currentColor" in pages["one night"] and "#24292f" not in pages["one night"].partition("</style>")[2]


def test_a_deployment_writes_the_page_of_the_night_and_of_the_release(retrained: World, tmp_path: Path) -> None:
    world = retrained.copy(tmp_path)
    with reported(world.root):
        pass
    latest, own = (world.root / "reports" / name for name in ("latest.html", "2.html"))
    assert latest.read_bytes() == own.read_bytes() == page(read_facts(world.root)).encode()
    own.write_text("as it was")
    with reported(world.root):
        pass
    assert own.read_text() == "as it was"


def test_pages_of_the_newest_releases_stay(tmp_path: Path) -> None:
    """Of 62 pages the two oldest go, by number and not by name; what hsrl did not write stays."""
    for name in (*map(str, range(1, 63)), "latest", "mine"):
        (tmp_path / f"{name}.html").write_text(name)
    _drop_old(tmp_path)
    left = {path.stem for path in tmp_path.iterdir()}
    assert left == {*map(str, range(3, 63)), "latest", "mine"}


def test_a_refused_night_is_written_too_and_stays_refused(refused: World, tmp_path: Path) -> None:
    world = refused.copy(tmp_path)
    with pytest.raises(ValueError, match="refused"), reported(world.root):
        raise ValueError("refused")
    assert "was refused" in (world.root / "reports" / "latest.html").read_text()


def test_a_page_that_cannot_be_drawn_costs_no_night(
    retrained: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no\nink")

    world = retrained.copy(tmp_path)
    monkeypatch.setattr("flows.report.write._page", fail)
    with reported(world.root):
        published = "yes"
    assert published == "yes"
    assert capsys.readouterr().out == f"hsrl: the morning page of {world.root} was not written: no ink\n"


def test_the_command_writes_the_page(retrained: World, tmp_path: Path, hsrl: Callable[..., Any]) -> None:
    ran = hsrl("report", "--warehouse", retrained.root, "--html", tmp_path / "morning.html")
    assert (ran.code, ran.out) == (0, "")
    assert (tmp_path / "morning.html").read_text() == page(read_facts(retrained.root))
    assert write_report(retrained.root, tmp_path / "new" / "2.html").read_text() == page(read_facts(retrained.root))


def test_the_command_says_it_in_a_few_lines(refused: World, hsrl: Callable[..., Any]) -> None:
    ran = hsrl("report", "--warehouse", refused.root)
    lines = dict(re.findall(r"^(\S+(?: \S+)?) {2,}(.*)$", ran.out, re.MULTILINE))
    assert lines["release"] == "2 (retrain)" and lines["refresh"] == "refused"
    assert lines["audit"].startswith("delivery_drift: share of positives of 2026-01-04")
    assert lines["policy"].startswith("hsrl: ") and "95 % interval" in lines["policy"] and len(ran.out.splitlines()) < 20


@pytest.mark.parametrize("state", STATES)
def test_the_command_works_in_every_state(roots: dict[str, Path], state: str, hsrl: Callable[..., Any]) -> None:
    assert hsrl("report", "--warehouse", roots[state]).code == 0
    found = json.loads(hsrl("report", "--warehouse", roots[state], "--json").out)
    assert found["warehouse"] == roots[state].name


def test_a_page_inside_the_warehouse_is_refused(retrained: World, hsrl: Callable[..., Any]) -> None:
    ran = hsrl("report", "--warehouse", retrained.root, "--html", retrained.root / "page.html")
    assert ran.code == 2 and "lies inside the warehouse" in ran.err


def test_without_the_extra_the_text_is_there_and_the_page_names_it(retrained: World, tmp_path: Path) -> None:
    (tmp_path / "w").symlink_to(retrained.root)
    assert without({"matplotlib"}, tmp_path, "report").returncode == 0
    ran = without({"matplotlib"}, tmp_path, "report", "--html", "page.html")
    line = "hsrl: hsrl report needs the extra plots; install it with: pip install -e '.[plots]'"
    assert (ran.returncode, ran.stderr.strip()) == (2, line)
