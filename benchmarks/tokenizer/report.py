"""Tables of results, as Markdown."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One table of docs/results/tokenizer.md."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""

    def markdown(self) -> str:
        """The section as text."""
        lines = [f"## {self.title}", "", *([self.note, ""] if self.note else [])]
        lines += [f"| {' | '.join(self.header)} |", f"| {' | '.join('---' for _ in self.header)} |"]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in self.rows), ""])
