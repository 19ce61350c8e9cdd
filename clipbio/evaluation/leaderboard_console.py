"""A leaderboard for the console: one table per figure, runs from best to worst, at most 80 columns wide."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clipbio.evaluation.console import CONSOLE_WIDTH, table_width
from clipbio.evaluation.expected import Published
from clipbio.evaluation.figures import Figure
from clipbio.evaluation.leaderboard import Leaderboard, Pair, lower_is_better
from clipbio.evaluation.table import amount, is_share, percent, span

__all__ = ["interval_text", "leaderboard_table", "p_text", "points", "published_text", "ranked"]

# How wide the names may be and what is left out, from wide to narrow.
_LAYOUTS: tuple[tuple[int, set[str]], ...] = (
    (36, set()),
    (24, set()),
    (24, {"n"}),
    (24, {"n", "95 %"}),
    (16, {"n", "95 %"}),
)


def leaderboard_table(board: Leaderboard) -> Group:
    """Return the figures with their intervals, the difference to the reference and what was published."""
    return Group(*(_table(board, key) for key in board.keys), _legend(board))


def ranked(board: Leaderboard, key: str) -> list[str]:
    """Return the runs that have a figure, the best first, those with other data last."""
    values = {run.name: run.figures[key].value or 0.0 for run in board.runs if key in run.figures}
    sign = 1 if lower_is_better(key) else -1
    return sorted(values, key=lambda name: ((key, name) in board.odd, sign * values[name]))


def _table(board: Leaderboard, key: str) -> Table:
    """Return the widest table that fits, the narrowest if none does; long names are folded, numbers never cut."""
    names = ranked(board, key)
    heads = ("figure", "95 %", "n", "difference", "p", "published")
    lacking = set() if any(board.published.get((key, name)) for name in names) else {"published"}
    for width, left_out in _LAYOUTS:
        table = Table(title=escape(key), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        table.add_column("run", max_width=width, overflow="fold")
        shown = [head for head in heads if head not in lacking | left_out]
        for head in shown:
            table.add_column(head, justify="right", no_wrap=True)
        for name in names:
            cells = _cells(board, key, name)
            style = "bold" if board.is_best(key, name) else ""
            table.add_row(Text(name, style=style), *(escape(cells[head]) for head in shown))
        if table_width(table) <= CONSOLE_WIDTH:
            break
    return table


def _cells(board: Leaderboard, key: str, name: str) -> dict[str, str]:
    figure, pair = board.figure(key, name), board.pair(key, name)
    assert figure is not None
    return {
        "figure": amount(figure, figure.value) + ("*" if (key, name) in board.odd else ""),
        "95 %": "" if figure.low is None else span(figure),
        "n": str(figure.n),
        "difference": "reference"
        if name == board.reference(key)
        else ""
        if pair is None
        else points(figure, pair.difference),
        "p": "" if pair is None else p_text(board.p_value(pair)) + (" =" if board.is_tied(key, name) else ""),
        "published": published_text(board.published.get((key, name), ()), figure.value),
    }


def _legend(board: Leaderboard) -> Text:
    compared = f"the baseline {board.baseline}" if board.baseline else "the best run"
    text = f"Shares in percent. difference: to {compared}. p: over {board.unit}, corrected for all pairs (Holm); "
    text += f"'=': not significant at {board.alpha:g}."
    return Text(text + (" *: measured on other data." if board.odd else ""))


def points(figure: Figure, difference: float) -> str:
    """Return a difference in percentage points, or as it is of what is no share, with its sign."""
    text = f"{100 * difference:+.1f}" if is_share(figure) else f"{difference:+.2f}"
    return text.replace("-", "−") if float(text) else text[1:]


def p_text(p: float) -> str:
    """Return a p-value as papers print it."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def published_text(values: tuple[Published, ...], ours: float | None) -> str:
    """Return published figures in percent, and whether ours agrees with one of them."""
    if not values:
        return ""
    agrees = ours is not None and any(one.agrees(ours) for one in values)
    distinct = dict.fromkeys(percent(one.value) for one in values)
    return f"{' / '.join(distinct)} {'✓' if agrees else '✗'}"


def interval_text(figure: Figure, pair: Pair, *, species: bool = False) -> str:
    """Return an interval of a difference in percentage points."""
    interval = pair.species_interval if species else pair.interval
    return "" if interval is None else f"{points(figure, interval.low)} to {points(figure, interval.high)}"
