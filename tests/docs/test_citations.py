"""What text names exists: pages, their sections, sources; and no line of a page is too long to read."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = {".py", ".md", ".sql", ".toml", ".yml", ".yaml", ".txt", ""}
LONGEST = 140
# Pages that people had who wrote this project, and no clone has.
_ELSEWHERE = re.compile(r"\b(?:FACTS|DESIGN|EQUATIONS|PROVENANCE|BASELINES|STYLE)(?:\.md)?\b")
_PAGE = re.compile(r"(?<![\w*<])((?:\.\./)*[\w.-]+(?:/[\w.-]+)*\.md)(?:#([\w-]+))?(?: §(\d+(?:\.\d+)?))?")
_SOURCE = re.compile(r"`((?:pipeline|hsrl_train|flows|sql|tests|benchmarks|docs|warehouse)/[\w./-]+)`")
# Names of pages that no page has: what a test writes, and a pattern.
_MADE_UP = {"NAME.md", "small.md", "swept.md", "weights.md"}


def tracked() -> list[Path]:
    """The files that a clone has, generated pages and this one aside."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")  # noqa: S607
    files = [ROOT / name for name in names if name and not name.startswith("docs/results/")]
    return [
        file
        for file in files
        if file.exists() and file.suffix in TEXT and file != Path(__file__) and file.name != "requirements.lock"
    ]


@cache
def sections(page: Path) -> tuple[frozenset[str], frozenset[str]]:
    """The anchors of a page's headings, and the numbers that they begin with."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = (re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads)
    return frozenset(anchors), frozenset(head.split(" ")[0].rstrip(".") for head in heads)


def page_of(name: str, file: Path) -> Path | None:
    """The page that is meant: from the file's folder, from the root, or by its name in docs or docs/results."""
    folders = (file.parent, ROOT, ROOT / "docs", ROOT / "docs" / "results")
    return next((folder / name for folder in folders if (folder / name).exists()), None)


def faults(file: Path) -> list[str]:
    """Citations in a file that lead nowhere."""
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        where = f"{file.relative_to(ROOT)}:{number}"
        found += [f"{where}: {cited[0]} is in no clone" for cited in _ELSEWHERE.finditer(line)]
        for name, anchor, section in _PAGE.findall(_ELSEWHERE.sub("", line)):
            if name.rpartition("/")[2] in _MADE_UP and page_of(name, file) is None:
                continue
            page = page_of(name, file)
            if page is None:
                found.append(f"{where}: no page {name}")
            elif anchor and anchor not in sections(page)[0]:
                found.append(f"{where}: {name} has no section {anchor}")
            elif section and section not in sections(page)[1]:
                found.append(f"{where}: {name} has no section {section}")
        if file.suffix == ".md" and not file.name.startswith("adding-a-"):  # a guide's own files do not exist yet
            found += [
                f"{where}: no file {name}" for name in _SOURCE.findall(line) if not (ROOT / name).exists() and "{" not in name
            ]
    return found


def test_every_citation_leads_somewhere() -> None:
    assert [fault for file in tracked() for fault in faults(file)] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("see docs/nowhere.md", "no page docs/nowhere.md"),
        ("docs/design.md §99", "docs/design.md has no section 99"),
        ("[x](protocol.md#no-such-section)", "protocol.md has no section no-such-section"),
        ("(DES" + "IGN §4)", "DES" + "IGN is in no clone"),
        ("`pipeline/gone.py`", "no file pipeline/gone.py"),
    ],
)
def test_a_citation_that_leads_nowhere_is_found(text: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("design", "protocol"):
        (tmp_path / "docs" / f"{name}.md").write_text((ROOT / "docs" / f"{name}.md").read_text())
    page = tmp_path / "docs" / "page.md"
    page.write_text(text)
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert faults(page) == [f"docs/page.md:1: {fault}"]


def test_no_line_of_a_page_is_longer_than_a_screen() -> None:
    """A row of a table cannot be broken."""
    long = [
        f"{file.relative_to(ROOT)}:{number}: {len(line)} characters"
        for file in tracked()
        if file.suffix == ".md"
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > LONGEST and not line.lstrip().startswith("|")
    ]
    assert long == []


def test_a_term_stands_in_the_glossary_once() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = [term for row in re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE) for term in row.split(", ")]
    assert (
        len(terms) > 60 and [term for term in sorted(set(terms)) if terms.count(term) > 1 and term not in ("---", "term")] == []
    )
