"""Quality figures and their flat form: `<task>/<split>/<variant>/<metric>` with `/low /high /n /chance` beside it.

Where it was asked for, `/low_species /high_species` give the interval when whole species are redrawn.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clipbio.errors import ClipbioError
from clipbio.files import read_json, write_json

__all__ = ["Figure", "flatten", "parse", "read_metrics", "write_metrics"]

logger = logging.getLogger(__name__)

_COMPANIONS = ("low", "high", "low_species", "high_species", "n", "chance")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number with its 95 % interval, the number of things averaged, and the level of chance.

    A figure without `n` is a plain count or parameter, such as `fallbacks`. A figure without `value` says that nothing
    could be measured (`n` is 0).
    """

    task: str
    split: str
    variant: str
    metric: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    chance: float | None = None
    low_species: float | None = None
    high_species: float | None = None

    @classmethod
    def measured(
        cls,
        path: tuple[str, str, str],
        metric: str,
        *,
        value: float,
        interval: tuple[float, float] | None,
        n: int,
        chance: float | None = None,
        species_interval: tuple[float, float] | None = None,
    ) -> Figure:
        """Make a quality figure of a (task, split, variant); `species_interval` is the one over redrawn species."""
        low, high = interval or (None, None)
        return cls(*path, metric, value, low, high, n, chance, *(species_interval or (None, None)))

    @property
    def key(self) -> str:
        """Return the key of the value in metrics.json."""
        return f"{self.task}/{self.split}/{self.variant}/{self.metric}"


def flatten(figures: Iterable[Figure]) -> dict[str, float]:
    """Return the flat numbers of figures; what is unknown has no key."""
    flat: dict[str, float] = {}
    for figure in figures:
        numbers = {"": figure.value} | {f"/{name}": getattr(figure, name) for name in _COMPANIONS}
        flat |= {figure.key + suffix: number for suffix, number in numbers.items() if number is not None}
    return flat


def parse(metrics: Mapping[str, float]) -> list[Figure]:
    """Read figures back from flat numbers, in order; keys of another shape (training losses ...) are left out."""
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for key, number in metrics.items():
        parts = key.split("/")
        if len(parts) < 4 or not math.isfinite(number):
            continue
        companion = parts[-1] if len(parts) > 4 and parts[-1] in _COMPANIONS else "value"
        metric = "/".join(parts[3:] if companion == "value" else parts[3:-1])
        found.setdefault((*parts[:3], metric), {})[companion] = number
    return [
        Figure(task, split, variant, metric, **{k: int(v) if k == "n" else v for k, v in numbers.items()})  # type: ignore[arg-type]
        for (task, split, variant, metric), numbers in found.items()
    ]


def write_metrics(path: Path, metrics: Mapping[str, float]) -> None:
    """Write flat numbers as strict JSON, sorted, all or nothing; what is not finite is left out with a warning."""
    numbers = {key: float(number) for key, number in metrics.items()}
    bad = [key for key, number in numbers.items() if not math.isfinite(number)]
    if bad:
        logger.warning("%s: %d numbers are not finite and are left out: %s", path.name, len(bad), ", ".join(bad[:5]))
    kept = {
        key: int(number) if number.is_integer() and key.endswith("/n") else number
        for key, number in sorted(numbers.items())
        if math.isfinite(number)
    }
    write_json(path, kept)


def read_metrics(path: Path) -> dict[str, float]:
    """Read flat numbers from metrics.json."""
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(number, int | float) for number in content.values()):
        raise ClipbioError(f"{path} is not one flat object of numbers; evaluate the run again")
    return {str(key): float(number) for key, number in content.items()}
