"""Figures of the search for species never trained on, with intervals over whole species and over whole sentences.

Shape suffixes: Q queries, each as often as it was asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from clipbio.evaluation.metrics import FloatArray
from clipbio.evaluation.paired import IntArray, accuracy

__all__ = ["SHOWN", "Answer", "Run", "figures", "table"]

SHOWN = ("fused", "vector", "lexical", "description", "sentence", "meaning", "image", "images")
"""What stands in the table, in its order."""

Line = Mapping[str, Any]


class Answer(NamedTuple):
    """The average precision of one query by one ranking, and that of a random order."""

    ranking: str
    species: str
    query: str
    value: float
    chance: float


Run = Sequence[Answer]


def figures(name: str, runs: Sequence[Run]) -> Iterator[Line]:
    """Yield the mean average precision of each ranking, and by how much `fused` is better than the best of its engines.

    Args:
        name: What was searched.
        runs: The answers of each training; every ranking has the same queries in the same order.
    """
    answers = [one for run in runs for one in run]
    of = {ranking: [one for one in answers if one.ranking == ranking] for ranking in SHOWN}
    values = {ranking: np.array([one.value for one in found]) for ranking, found in of.items()}
    asked = of["fused"]
    for ranking in SHOWN:
        by_run = [float(np.mean([one.value for one in run if one.ranking == ranking])) for run in runs]
        chance = float(np.mean([one.chance for one in of[ranking]]))
        line = _line(name, ranking, values[ranking], asked)
        yield {**line, "chance": round(chance, 4), "runs": _rounded(by_run)}
    better = max(("vector", "lexical"), key=lambda ranking: float(values[ranking].mean()))
    gain = values["fused"] - values[better]
    yield {**_line(name, f"fused minus {better}", gain, asked), "runs": _rounded(_by_run(runs, "fused", better))}


def _by_run(runs: Sequence[Run], first: str, second: str) -> list[float]:
    means = [{r: np.mean([one.value for one in run if one.ranking == r]) for r in (first, second)} for run in runs]
    return [float(one[first] - one[second]) for one in means]


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]


def _line(name: str, ranking: str, value_Q: FloatArray, asked: Sequence[Answer]) -> Line:
    """Return a mean with its intervals: whole species redrawn, and single sentences redrawn.

    A sentence that is asked in several runs is one sentence.
    """
    over = {
        key: accuracy(value_Q, unit_N=_numbered(names)).interval or (np.nan, np.nan)
        for key, names in (("species", [one.species for one in asked]), ("queries", [one.query for one in asked]))
    }
    numbers = {"mAP": float(value_Q.mean())}
    numbers |= {f"{side}_{key}": value for key, pair in over.items() for side, value in zip(("low", "high"), pair)}
    counts = {"species": len({one.species for one in asked}), "queries": len({one.query for one in asked})}
    return {"name": name, "ranking": ranking, **{key: round(value, 4) for key, value in numbers.items()}, **counts}


def _numbered(names: Sequence[str]) -> IntArray:
    place: dict[str, int] = defaultdict(lambda: len(place))
    return np.array([place[name] for name in names], np.int64)


def table(lines: Sequence[Line]) -> str:
    """Return a Markdown table."""
    rows = ["| searched | ranking | mAP | 95 %, species redrawn | queries redrawn | runs | chance |"]
    rows.append("|---|---|---|---|---|---|---|")
    for one in lines:
        spans = [f"{one[f'low_{key}']:.3f} to {one[f'high_{key}']:.3f}" for key in ("species", "queries")]
        runs = [float(value) for value in np.ravel(one["runs"])]
        chance = f"{one['chance']:.3f}" if "chance" in one else ""
        cells = [
            one["name"],
            one["ranking"],
            f"{one['mAP']:.3f}",
            *spans,
            f"{min(runs):.3f} to {max(runs):.3f}",
            chance,
        ]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows) + "\n"
