"""How far extracted traits agree with those of a reader: precision and recall, per property and over all."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipbio.errors import ClipbioError
from clipbio.traits.trait import Trait

__all__ = ["DETAILS", "Agreement", "Assertion", "agreement", "assertion_of", "read_assertions"]

DETAILS = ("shade", "side", "sex", "stage")
"""What assertions may say besides character and value."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a text says, to be compared: `details` (shade, sex, stage, side) are told apart from the rest.

    Two assertions agree when character and value are equal and their words overlap; without offsets (-1) anywhere in
    the text. `characters` are all names that count as right, where the text leaves it open what is meant.
    """

    characters: tuple[str, ...]
    value: str
    start: int = -1
    end: int = -1
    details: tuple[tuple[str, str], ...] = ()

    def agrees(self, other: Assertion) -> bool:
        """Tell whether another assertion says the same of the same words."""
        anywhere = -1 in (self.start, other.start)
        overlaps = anywhere or (self.start < other.end and other.start < self.end)
        return overlaps and self.value == other.value and bool(set(self.characters) & set(other.characters))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of assertions, and how many of the agreeing ones agree in a detail, by its name."""

    num_both: int = 0
    num_found: int = 0
    num_true: int = 0
    details: Mapping[str, int] | None = None

    @property
    def precision(self) -> float:
        """The share of what was found that is true; 1 where nothing was found."""
        return self.num_both / self.num_found if self.num_found else 1.0

    @property
    def recall(self) -> float:
        """The share of what is true that was found; 1 where there is nothing to find."""
        return self.num_both / self.num_true if self.num_true else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.num_both / (self.num_found + self.num_true) if self.num_found + self.num_true else 1.0


def assertion_of(trait: Trait) -> Assertion:
    """Return a trait as an assertion."""
    details = tuple((name, str(getattr(trait, name))) for name in DETAILS)
    return Assertion((trait.character,), trait.value, trait.start, trait.end, details)


def read_assertions(path: Path) -> dict[tuple[str, int], list[Assertion]]:
    """Read a table of assertions made by hand; return those of each text, by species and number of the description.

    Args:
        path: a CSV with columns of `Trait`, `species`, and `description` where a species has several.

    Raises:
        ClipbioError: a column is missing.
    """
    found: dict[tuple[str, int], list[Assertion]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        needed = ("species", "organ", "part", "property", "value", "start", "end")
        if missing := [name for name in needed if name not in (rows.fieldnames or ())]:
            raise ClipbioError(f"{path}: a table of assertions needs the columns {', '.join(missing)}")
        for row in rows:
            character = " ".join(filter(None, (row["organ"], row["part"], row["property"])))
            details = tuple((name, row[name]) for name in DETAILS if name in row)
            assertion = Assertion((character,), row["value"], int(row["start"]), int(row["end"]), details)
            found.setdefault((row["species"], int(row.get("description") or 0)), []).append(assertion)
    return found


def agreement(texts: Iterable[tuple[Sequence[Assertion], Sequence[Assertion]]]) -> dict[str, Agreement]:
    """Compare (found, true) assertions of each text; return counts by property, and over all under `""`.

    Each true assertion is matched by one found assertion at most, and the other way round.
    """
    both: Counter[str] = Counter()
    num_found: Counter[str] = Counter()
    num_true: Counter[str] = Counter()
    details: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for found, true in texts:
        free = list(found)
        for one in true:
            _count(num_true, one)
            match = _match(one, free)
            if match is None:
                continue
            free.remove(match)
            _count(both, one)
            known = dict(match.details)
            for name, value in one.details:
                details[""][name] += known.get(name) == value
                details[_property(one)][name] += known.get(name) == value
        for one in found:
            _count(num_found, one)
    keys = sorted({*num_found, *num_true})
    return {key: Agreement(both[key], num_found[key], num_true[key], details[key]) for key in keys}


def _match(true: Assertion, found: Sequence[Assertion]) -> Assertion | None:
    """Return the assertion that agrees, one that does so in all details first."""
    matches = [one for one in found if one.agrees(true)]
    return min(matches, key=lambda one: one.details != true.details, default=None)


def _property(assertion: Assertion) -> str:
    return assertion.characters[0].rpartition(" ")[2]


def _count(counter: Counter[str], assertion: Assertion) -> None:
    counter[""] += 1
    counter[_property(assertion)] += 1
