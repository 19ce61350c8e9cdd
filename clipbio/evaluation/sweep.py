"""A sweep as figures: its points, what was varied, and how each did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.table import is_share, label

__all__ = ["Point", "Sweep", "short", "shown_value"]


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    `varied` holds what tells it from the others, a mixture as one entry of shares; `value` is the best validation so
    far of what orders the sweep, without an interval; `figures` are those of its evaluation by key, empty before it.
    """

    name: str
    state: str
    remark: str
    varied: Mapping[str, Any]
    value: float | None
    figures: Mapping[str, Figure]

    @property
    def finished(self) -> bool:
        """Whether it has run to its end."""
        return self.state == "finished"

    def says(self, leave_out: Sequence[str] = ()) -> str:
        """Return what was varied on one line."""
        shown = {key: value for key, value in self.varied.items() if key not in leave_out}
        mixtures = [shown_value(value) for value in shown.values() if isinstance(value, Mapping)]
        settings = [f"{key}={shown_value(value)}" for key, value in shown.items() if not isinstance(value, Mapping)]
        return ", ".join([*mixtures, *settings]) or self.name


@dataclass(frozen=True)
class Sweep:
    """Points, the best by validation first; those without a value last.

    Args:
        points: All points of the folder.
        objective: Key of the validation figure that orders them.
        lower: Whether less of it is better.
        keys: Figures that are shown, the objective first.
    """

    points: tuple[Point, ...]
    objective: str
    lower: bool
    keys: tuple[str, ...]

    @property
    def best(self) -> Point | None:
        """The finished point with the best validation."""
        return next((point for point in self.points if point.finished and point.value is not None), None)

    @property
    def axes(self) -> tuple[str, ...]:
        """What was varied, in order."""
        return tuple(dict.fromkeys(key for point in self.points for key in point.varied))

    @property
    def in_percent(self) -> bool:
        """Whether the objective is a share; a loss is none."""
        return is_share(_bare(self.objective))

    @property
    def drawn(self) -> dict[str, str]:
        """The figures that fit on one axis with the objective, and what each has for itself."""
        heads = zip(self.keys, self.heads()[1], strict=True)
        return {key: head for key, head in heads if is_share(_bare(key)) == self.in_percent}

    def figure(self, point: Point, key: str) -> Figure | None:
        """Return a figure of a point; the best validation so far stands in for that of the objective."""
        figure = point.figures.get(key)
        if figure is not None or key != self.objective or point.value is None:
            return figure
        return _bare(key, point.value)

    def heads(self) -> tuple[str, list[str]]:
        """Return what all figures shown share, and what each has for itself, as a reader says them."""
        parts = [key.split("/", 3) for key in self.keys]
        if len({len(one) for one in parts}) > 1 or len(parts[0]) < 4:
            return "", list(self.keys)
        same = [len({one[place] for one in parts}) == 1 for place in range(4)]
        common = ", ".join(label(part) for part, all_same in zip(parts[0], same, strict=True) if all_same)
        own = [
            " ".join(_own(part, place) for place, part in enumerate(one) if not same[place] or len(parts) == 1)
            for one in parts
        ]
        return (common, own) if len(parts) > 1 else ("", own)


def _bare(key: str, value: float | None = None) -> Figure:
    """Return the figure of a key without an interval; what is logged in training has fewer than four parts."""
    return Figure("", "", "", key.rpartition("/")[2], value)


def _own(part: str, place: int) -> str:
    # Splits are named as they are called in commands.
    return part if place == 1 else label(part)


def short(keys: Sequence[str]) -> dict[str, str]:
    """Return the shortest end of each dotted key that no other one shares."""
    found = {}
    for key in keys:
        parts = key.split(".")
        for count in range(1, len(parts) + 1):
            end = parts[-count:]
            if sum(other.split(".")[-count:] == end for other in keys) == 1:
                break
        found[key] = ".".join(end)
    return found


def shown_value(value: Any) -> str:
    """Return a setting as a reader takes it in: four digits, a mixture by its shares."""
    if isinstance(value, Mapping):
        names = [label(str(name)) for name in value]
        if len(set(value.values())) == 1:
            return " + ".join(names)
        return ", ".join(f"{100 * share:.0f} % {name}" for name, share in zip(names, value.values(), strict=True))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
