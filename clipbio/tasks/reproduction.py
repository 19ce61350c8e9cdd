"""What a repetition of a run came to: the verdict, as tables for the console and as a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from clipbio.evaluation.table import escape_markdown
from clipbio.provenance.differences import Difference
from clipbio.provenance.repetition import EQUAL, ComparedFigure, ComparedHistory, counted

__all__ = ["Reproduction", "differences_table"]

_MOST_SHOWN = 20
_BAD = ("different", "missing")


@dataclass(frozen=True)
class Reproduction:
    """A run beside its repetition.

    Attributes:
        run: Folder of the run.
        out: Folder of the repetition.
        rule: What counted as the same, in words.
        exact: Whether equal bits were promised.
        found: What was not as it was.
        figures: Every figure, then and now.
        history: The logged steps; None of an evaluation.
        weights: Whether the tensors of `best` and `last` are the same bits, where both are known.
    """

    run: str
    out: str
    rule: str
    exact: bool
    found: Sequence[Difference]
    figures: Sequence[ComparedFigure]
    history: ComparedHistory | None
    weights: dict[str, bool]

    @property
    def reproduced(self) -> bool:
        """Whether every figure is the same by the rule, and where equal bits were promised every step and weight."""
        good = bool(self.figures) and not any(one.verdict in _BAD for one in self.figures)
        if not self.exact:
            return good
        return good and (self.history is None or self.history.is_equal) and all(self.weights.values())

    @property
    def verdict(self) -> str:
        """The result in one line."""
        counts = ", ".join(f"{count} {name}" for name, count in counted(self.figures).items())
        return f"{'reproduced' if self.reproduced else 'NOT reproduced'}: {counts or 'no figures'} ({self.rule})"

    @property
    def facts(self) -> list[str]:
        """What else was compared, a sentence each."""
        told = [f"weights of {name}.ckpt: {'equal' if same else 'different'}" for name, same in self.weights.items()]
        if self.history is None:
            return told
        one = self.history
        if one.first is None:
            steps = f"all {one.steps} logged steps are equal"
        else:
            steps = f"{one.steps} logged steps, the first that differs is step {one.first} ({', '.join(one.keys[:3])})"
            steps += f"; the loss differs by at most {one.loss:.2g} of itself"
        return [*told, steps + (f"; {one.only_one} steps were logged by one run only" if one.only_one else "")]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {"reproduced": self.reproduced, "verdict": self.verdict, "counts": counted(self.figures), **asdict(self)}

    def console(self) -> list[Table]:
        """Return the figures that are not equal, the furthest off first."""
        rows = self._unequal()
        if not rows:
            return []
        table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        table.add_column("figure", overflow="fold")
        for head in ("then", "now", "allowed", "verdict"):
            table.add_column(head, justify="right", no_wrap=True)
        for one in rows[:_MOST_SHOWN]:
            table.add_row(escape(one.key), *_cells(one))
        return [table]

    def _unequal(self) -> list[ComparedFigure]:
        rows = [one for one in self.figures if one.verdict != EQUAL]
        return sorted(rows, key=lambda one: (one.verdict not in _BAD, -_distance(one)))

    def markdown(self) -> str:
        """Return the page."""
        lines = [f"# {self.verdict}", "", f"- run: {self.run}", f"- repetition: {self.out}"]
        lines += [f"- {fact}" for fact in self.facts]
        lines += ["", "## What was not as it was", ""]
        rows = [(one.what, one.then, one.now, "yes" if one.decisive else "no") for one in self.found]
        lines += _table(("what", "then", "now", "may change numbers"), rows) if rows else ["Nothing."]
        lines += ["", "## Figures", ""]
        unequal = [(one.key, *_cells(one)) for one in self._unequal()]
        equal = sum(one.verdict == EQUAL for one in self.figures)
        lines += [f"{equal} of {len(self.figures)} are equal in every digit, with interval, n and chance."]
        if unequal:
            lines += ["", *_table(("figure", "then", "now", "allowed", "verdict"), unequal)]
        shown = [(one.key, *_cells(one)) for one in self.figures if one.verdict == EQUAL]
        if shown:
            lines += ["", "## Equal figures", "", *_table(("figure", "then", "now", "allowed", "verdict"), shown)]
        return "\n".join(lines) + "\n"


def differences_table(found: Sequence[Difference]) -> Table:
    """Return what is not as it was, as a table for the console."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for head in ("not as it was", "then", "now"):
        table.add_column(head, overflow="fold")
    table.add_column("may change numbers", justify="right")
    for one in found:
        table.add_row(one.what, escape(one.then), escape(one.now), "yes" if one.decisive else "no")
    return table


def _distance(one: ComparedFigure) -> float:
    return float("inf") if one.then is None or one.now is None else abs(one.then - one.now)


def _cells(one: ComparedFigure) -> tuple[str, str, str, str]:
    then, now = ("-" if value is None else f"{value:.6g}" for value in (one.then, one.now))
    return then, now, f"{one.tolerance:.2g}", one.verdict


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [head, ["---"] * len(head), *([escape_markdown(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(row)} |" for row in cells]
