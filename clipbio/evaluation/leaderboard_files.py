"""A leaderboard for other programs and for papers: CSV, JSON, LaTeX rows."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from clipbio.evaluation.leaderboard import Leaderboard, Pair
from clipbio.evaluation.table import amount, label
from clipbio.files import write_json, write_text

__all__ = ["latex", "write_files"]

_COLUMNS = (
    "figure", "run", "value", "low", "high", "low_species", "high_species", "n", "chance", "published", "agrees",
    "reference", "difference", "difference_low", "difference_high", "difference_low_species", "difference_high_species",
    "test", "p", "p_species", "remark",
)  # fmt: skip
_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {letter: f"\\{letter}" for letter in "&%$#_{}"}


def write_files(folder: Path, board: Leaderboard) -> None:
    """Write `leaderboard.csv` (a line per figure and run), `.json` (with all pairs) and `.tex` (booktabs)."""
    lines = [_line(board, key, run.name) for key in board.keys for run in board.runs if key in run.figures]
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(folder / "leaderboard.csv", buffer.getvalue())
    write_text(folder / "leaderboard.tex", latex(board))
    seen = {frozenset((pair.first, pair.second, pair.key)): pair for pair in board.pairs.values()}
    write_json(
        folder / "leaderboard.json",
        {
            "runs": [{"name": one.name, "folder": one.folder.name, "measured": one.identity} for one in board.runs],
            "baseline": board.baseline,
            "alpha": board.alpha,
            "unit": board.unit,
            "figures": lines,
            "pairs": [_pair(one) for one in seen.values()],
        },
    )


def _line(board: Leaderboard, key: str, run: str) -> dict[str, Any]:
    figure, pair, values = board.figure(key, run), board.pair(key, run), board.published.get((key, run), ())
    assert figure is not None
    line: dict[str, Any] = dict.fromkeys(_COLUMNS)
    line |= {name: getattr(figure, name) for name in _COLUMNS[2:9]}
    line |= {"figure": key, "run": run, "remark": board.odd.get((key, run))}
    if values:
        agrees = any(one.agrees(figure.value or 0.0) for one in values)
        line |= {"published": " | ".join(f"{one.value:g}" for one in values), "agrees": agrees}
    return line if pair is None else line | _compared(pair)


def _compared(pair: Pair) -> dict[str, Any]:
    low, high = pair.interval or (None, None)
    low_species, high_species = pair.species_interval or (None, None)
    return {
        "reference": pair.second,
        "difference": pair.difference,
        "difference_low": low,
        "difference_high": high,
        "difference_low_species": low_species,
        "difference_high_species": high_species,
        "test": pair.test,
        "p": pair.p,
        "p_species": pair.p_species,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {"figure": pair.key, "run": pair.first, **_compared(pair), "n": pair.n, "species": pair.species}


def latex(board: Leaderboard) -> str:
    r"""Return a table for `\usepackage{booktabs}`: runs down, figures across, in percent.

    The best of a column is bold; what is not significantly different from it (or from the baseline) has a dagger, and
    what was measured on other data an asterisk.
    """
    heads = " & ".join(_escaped(_heading(key)) for key in board.keys)
    lines = [rf"\begin{{tabular}}{{l{'r' * len(board.keys)}}}", r"\toprule", rf"run & {heads} \\", r"\midrule"]
    lines += [
        " & ".join([_escaped(run.name), *(_cell(board, key, run.name) for key in board.keys)]) + r" \\"
        for run in board.runs
    ]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _heading(key: str) -> str:
    task, split, variant, metric = key.split("/", 3)
    return f"{label(task)}, {split}, {label(variant)}, {label(metric)}"


def _cell(board: Leaderboard, key: str, run: str) -> str:
    figure = board.figure(key, run)
    if figure is None:
        return "--"
    number = amount(figure, figure.value)
    text = rf"\textbf{{{number}}}" if board.is_best(key, run) else number
    marks = ("*" if (key, run) in board.odd else "") + (r"\dagger" if board.is_tied(key, run) else "")
    return f"{text}$^{{{marks}}}$" if marks else text


def _escaped(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)
