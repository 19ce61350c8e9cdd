"""Many evaluations side by side: which figures, what published, and for each two runs how they differ.

Shape suffix: N queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.expected import expected_name, published
from clipbio.evaluation.leaderboard import Leaderboard, Pair, Unit, is_of_errors
from clipbio.evaluation.metrics import Interval, bootstrap_interval
from clipbio.evaluation.paired import accuracy
from clipbio.evaluation.run_results import RunResults
from clipbio.evaluation.significance import holm, is_binary, mcnemar, sign_flip
from clipbio.evaluation.table import result_tables
from clipbio.seeding import derive_seed

__all__ = ["Aligned", "aligned", "chosen_keys", "compared"]

FloatArray = NDArray[np.float64]


class Aligned(NamedTuple):
    """Answers of two runs to the same queries."""

    ids: tuple[str, ...]
    species: tuple[str, ...]
    first_N: FloatArray
    second_N: FloatArray


def chosen_keys(runs: Sequence[RunResults], patterns: Sequence[str] | None) -> tuple[str, ...]:
    """Return keys of figures that fit any pattern, in order; by default the first of each line of the result tables.

    Raises:
        ClipbioError: A pattern fits nothing.
    """
    known = list(dict.fromkeys(key for run in runs for key in run.figures if "_permuted/" not in key))
    if patterns is None:
        first = [key for run in runs for key in _leading(run)]
        return tuple(key for key in known if key in {*first})
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = [key for key in known if fnmatchcase(key, pattern)]
        if not fitting:
            raise ClipbioError(f"metrics: no figure of these runs is called {pattern}{nearest(pattern, known)}")
        found |= dict.fromkeys(fitting)
    return tuple(found)


def _leading(run: RunResults) -> list[str]:
    metrics = {key: one.value for key, one in run.figures.items() if one.value is not None}
    counts = {f"{key}/n": float(one.n) for key, one in run.figures.items() if one.n is not None}
    keys = []
    for table in result_tables({**metrics, **counts}):
        for variant, row in table.rows.items():
            name = next((metric for metric in row if row[metric].n is not None), None)
            keys += [] if name is None else [f"{table.task}/{table.split}/{variant}/{name}"]
    return keys


def compared(
    runs: Sequence[RunResults],
    keys: Sequence[str],
    *,
    baseline: str | None = None,
    expected: str | None = None,
    other_data: Literal["refuse", "mark"] = "refuse",
    unit: Unit = "specimens",
    alpha: float = 0.05,
    resamples: int = 1000,
    seed: int = 0,
) -> Leaderboard:
    """Compare runs in some figures.

    Args:
        runs: The runs, in the order in which they are shown.
        keys: Keys of the figures.
        baseline: Name of the run with which the others are compared; None compares each two.
        expected: Name under which the figures of all runs were published; None goes by the model of each.
        other_data: `refuse` figures that were measured on different data, or `mark` them.
        unit: Over what the test is that tells runs apart.
        alpha: Level of significance.
        resamples: Resamples of the intervals; the tests take ten times as many signs.
        seed: Seed of intervals and tests.

    Raises:
        ClipbioError: Figures were measured on different data.
    """
    names = {run.name: expected_name(run.model, expected) for run in runs}
    odd = _odd(runs, keys, baseline)
    if odd and other_data == "refuse":
        (key, name), reason = next(iter(odd.items()))
        raise ClipbioError(
            f"{key}: {name} was not measured on the same data as {_first(runs, key, baseline).name} ({reason}); leave "
            "it out, or show such figures with a mark and without a comparison by other_data=mark"
        )
    pairs = [
        pair
        for key in keys
        for first, second in _couples(runs, baseline)
        if (key, first.name) not in odd and (key, second.name) not in odd
        if (pair := _pair(key, first, second, seed=seed, resamples=resamples)) is not None
    ]
    corrected = _corrected(pairs)
    both = {(one.key, one.first, one.second): one for one in corrected}
    both |= {(one.key, one.second, one.first): _reversed(one) for one in corrected}
    found = {(key, run.name): published(names[run.name], key) for key in keys for run in runs if key in run.figures}
    return Leaderboard(tuple(runs), tuple(keys), found, both, odd, baseline, alpha, unit)


def _first(runs: Sequence[RunResults], key: str, baseline: str | None) -> RunResults:
    """Return the baseline if it has a figure, else the first run that has."""
    having = [run for run in runs if key in run.figures]
    return next((run for run in having if run.name == baseline), having[0])


def _odd(runs: Sequence[RunResults], keys: Sequence[str], baseline: str | None) -> dict[tuple[str, str], str]:
    """Return why a figure of a run cannot be compared with that of `_first`."""
    found = {}
    for key in keys:
        first = _first(runs, key, baseline)
        for run in runs:
            if key in run.figures and (reason := _difference(key, first, run)):
                found[key, run.name] = reason
    return found


def _difference(key: str, first: RunResults, second: RunResults) -> str:
    one, other = first.figures[key], second.figures[key]
    if one.n != other.n and not is_of_errors(key):
        return f"n is {other.n}, there {one.n}"
    before, after = first.facts(one.split), second.facts(one.split)
    for part in before.keys() & after.keys():
        for name, old, new in zip(("specimens", "classes"), before[part], after[part], strict=True):
            if old != new:
                return f"the {name} of {part} differ"
    return ""


def _couples(runs: Sequence[RunResults], baseline: str | None) -> list[tuple[RunResults, RunResults]]:
    if baseline is None:
        return list(combinations(runs, 2))
    against = next(run for run in runs if run.name == baseline)
    return [(run, against) for run in runs if run is not against]


def aligned(first: Answers, second: Answers) -> Aligned | None:
    """Return the answers of both in one order of queries; None if the queries are not the same."""
    if (first.ids, first.species) == (second.ids, second.species):
        return Aligned(first.ids, first.species, _values(first), _values(second))
    (queries, first_order), (others, second_order) = _sorted(first), _sorted(second)
    if queries != others:
        return None
    ids, species = zip(*queries, strict=True)
    return Aligned(ids, species, _values(first)[first_order], _values(second)[second_order])


def _values(one: Answers) -> FloatArray:
    return np.asarray(one.value_N, np.float64)


def _sorted(one: Answers) -> tuple[list[tuple[str, str]], list[int]]:
    """Return ids with species in order, and the rows in that order."""
    queries = list(zip(one.ids, one.species, strict=True))
    order = sorted(range(len(queries)), key=queries.__getitem__)
    return [queries[row] for row in order], order


def _pair(key: str, first: RunResults, second: RunResults, *, seed: int, resamples: int) -> Pair | None:
    """Compare two runs in one figure; None where not both have answers to the same queries."""
    if key not in first.answers or key not in second.answers:
        return None
    both = aligned(first.answers[key], second.answers[key])
    if both is None or not both.ids:
        return None
    first_N, second_N = both.first_N, both.second_N
    gain_N, unit_N = first_N - second_N, np.unique(both.species, return_inverse=True)[1].reshape(-1)
    draw = derive_seed("compare", key, seed)
    several = resamples and unit_N.max() > 0
    of_species = accuracy(gain_N, unit_N=unit_N, seed=draw, resamples=resamples) if several else None
    right = is_binary(first_N) and is_binary(second_N)
    signs: dict[str, Any] = {"seed": draw, "resamples": 10 * max(resamples, 100)}
    return Pair(
        key,
        first.name,
        second.name,
        float(gain_N.mean()),
        bootstrap_interval(gain_N, seed=draw, resamples=resamples) if resamples else None,
        None if of_species is None else of_species.interval,
        "McNemar" if right else "sign flips",
        mcnemar(first_N, second_N) if right else sign_flip(gain_N, **signs),
        sign_flip(gain_N, unit_N=unit_N, **signs),
        len(gain_N),
        int(unit_N.max()) + 1,
    )


def _corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """Correct the p-values of all pairs of a table by Holm's method, each kind by itself."""
    over = holm([one.p for one in pairs])
    over_species = holm([one.p_species for one in pairs])
    return [replace(one, p=p, p_species=q) for one, p, q in zip(pairs, over, over_species, strict=True)]


def _reversed(pair: Pair) -> Pair:
    def turned(interval: Interval | None) -> Interval | None:
        return None if interval is None else Interval(-interval.high, -interval.low)

    return replace(
        pair,
        first=pair.second,
        second=pair.first,
        difference=-pair.difference,
        interval=turned(pair.interval),
        species_interval=turned(pair.species_interval),
    )
