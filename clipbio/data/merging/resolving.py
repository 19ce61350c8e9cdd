"""From the name a record came with to the name that the checklist accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from clipbio.data.merging.checklist import Checklist
from clipbio.errors import ClipbioError, nearest
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["KEEP", "Note", "Resolution", "Resolver"]

KEEP = ("checklist", "source")
"""Whose higher ranks are kept where they differ."""

Match = Literal["accepted", "synonym", "unmatched", "other_kingdom", "ambiguous", "unnamed", "unchecked"]


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the conflict log: what was given at a rank, what was chosen, and why."""

    rank: str
    given: str
    chosen: str
    reason: str
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of a name.

    `candidates` are the accepted binomials that it may mean: one, or several of an ambiguous name. `filled` counts
    ranks that the record left out and the checklist told.
    """

    taxon: Taxon
    match: Match
    notes: tuple[Note, ...] = ()
    candidates: tuple[str, ...] = ()
    filled: int = 0


@dataclass
class Resolver:
    """Resolve taxa against a checklist; each distinct one is looked up once.

    Args:
        checklist: None leaves every name as it is.
        keep: `checklist` or `source`: whose higher ranks stay where they differ.
    """

    checklist: Checklist | None
    keep: str = "checklist"
    _known: dict[Taxon, Resolution] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.keep not in KEEP:
            raise ClipbioError(f"merge.keep={self.keep} is unknown{nearest(self.keep, KEEP)}")

    def __call__(self, taxon: Taxon) -> Resolution:
        """Return what became of a name."""
        if taxon not in self._known:
            self._known[taxon] = self._resolve(taxon)
        return self._known[taxon]

    def _resolve(self, taxon: Taxon) -> Resolution:
        if self.checklist is None or taxon.deepest is None:
            return Resolution(taxon, "unnamed" if taxon.is_empty else "unchecked", (), _own(taxon))
        rank, name = taxon.deepest
        found = _Found.of(self.checklist, taxon, rank, name)
        if found.row is not None:
            return self._placed(taxon, rank, self.checklist.lineage(found.row))
        anchored = self._anchored(taxon, rank)
        suggestion = self.checklist.similar(name) if found.why == "unmatched" else found.candidates
        note = Note(rank, name, name, found.why, suggestion)
        candidates = tuple(name for one in found.lineages if (name := one.scientific_name) and found.why == "ambiguous")
        return Resolution(
            anchored.taxon, found.why, (note, *anchored.notes), (*_own(taxon), *candidates), anchored.filled
        )

    def _anchored(self, taxon: Taxon, rank: str) -> Resolution:
        """Place a name that the checklist lacks under its lowest higher rank that the checklist accepts."""
        assert self.checklist is not None
        place = RANKS.index(rank)
        for higher in reversed(range(1, place)):
            name = taxon.ranks[higher]
            found = _Found.of(self.checklist, taxon, RANKS[higher], name) if name else None
            if found and found.row is not None:
                lineage = self.checklist.lineage(found.row)
                if lineage.ranks[higher] == name:
                    return self._merged(taxon, lineage, higher)
        return Resolution(taxon, "unmatched")

    def _placed(self, taxon: Taxon, rank: str, lineage: Taxon) -> Resolution:
        """Take over the accepted name and the ranks above it."""
        place = RANKS.index(rank)
        given, chosen = (taxon.deepest or ("", ""))[1], (lineage.deepest or ("", ""))[1]
        if chosen == given:
            merged = self._merged(taxon, lineage, place)
            return Resolution(merged.taxon, "accepted", merged.notes, _own(merged.taxon), merged.filled)
        own = list(taxon.ranks)
        low = RANKS.index("genus") if rank == "species" else place
        own[low:] = lineage.ranks[low:]
        merged = self._merged(Taxon(*own), lineage, low)
        notes = (Note(rank, given, chosen, "synonym"), *merged.notes)
        return Resolution(merged.taxon, "synonym", notes, _own(merged.taxon), merged.filled)

    def _merged(self, taxon: Taxon, lineage: Taxon, below: int) -> Resolution:
        """Fill and compare the ranks above `below`."""
        ranks, notes, filled = list(taxon.ranks), [], 0
        for place in range(below):
            given, told = taxon.ranks[place], lineage.ranks[place]
            if not told or told == given:
                continue
            if not given:
                ranks[place], filled = told, filled + 1
                continue
            chosen = told if self.keep == "checklist" else given
            notes.append(Note(RANKS[place], given, chosen, "higher_rank"))
            ranks[place] = chosen
        return Resolution(Taxon(*ranks), "unmatched", tuple(notes), (), filled)


@dataclass(frozen=True)
class _Found:
    """The accepted row of a name, or why there is none."""

    row: int | None
    why: Literal["unmatched", "other_kingdom", "ambiguous"] = "unmatched"
    lineages: Sequence[Taxon] = ()

    @property
    def candidates(self) -> str:
        names = {f"{(one.deepest or ('', ''))[1]} ({one.kingdom or 'no kingdom'})" for one in self.lineages}
        return " | ".join(sorted(names))

    @classmethod
    def of(cls, checklist: Checklist, taxon: Taxon, rank: str, name: str) -> _Found:
        named = checklist.rows(name, rank)
        rows = {row: accepted for row in named if (accepted := checklist.accepted(row)) is not None}
        if not rows:
            return cls(None)
        lineages = {accepted: checklist.lineage(accepted) for accepted in rows.values()}
        kingdom = taxon.kingdom or _told_kingdom(checklist, taxon, rank)
        if kingdom:
            rows = {row: one for row, one in rows.items() if lineages[one].kingdom in ("", kingdom)}
            if not rows:
                return cls(None, "other_kingdom", list(lineages.values()))
        kingdoms = {lineages[one].kingdom for one in rows.values()}
        if len(kingdoms) == 1:
            rows = _not_against(taxon, rows, lineages)
            rows = _narrowed(checklist, rows, lambda accepted: _agreement(taxon, lineages[accepted]))
        remaining = dict.fromkeys(rows.values())
        if len(remaining) == 1:
            return cls(next(iter(remaining)))
        return cls(None, "ambiguous", [lineages[one] for one in remaining])


def _not_against(taxon: Taxon, rows: dict[int, int], lineages: Mapping[int, Taxon]) -> dict[int, int]:
    """Leave out homonyms of another family or order than the record's, where one is of its own."""
    told = {row: _by_family(taxon, lineages[accepted]) for row, accepted in rows.items()}
    agrees = any(all(same) and same for same in told.values())
    return {row: accepted for row, accepted in rows.items() if all(told[row])} if agrees else rows


def _by_family(taxon: Taxon, lineage: Taxon) -> list[bool]:
    """Tell of order and family, where both are known, whether they are the same."""
    places = (RANKS.index("order"), RANKS.index("family"))
    pairs = ((taxon.ranks[place], lineage.ranks[place]) for place in places)
    return [given == told for given, told in pairs if given and told]


def _narrowed(checklist: Checklist, rows: dict[int, int], agreement: Callable[[int], int]) -> dict[int, int]:
    """Prefer, within a kingdom, the row that is accepted itself, then the one without doubt, then by higher ranks."""
    scores: tuple[Callable[[int, int], int], ...] = (
        lambda row, accepted: int(row == accepted),
        lambda row, accepted: int(checklist.status_N[accepted]),
        lambda row, accepted: agreement(accepted),
    )
    for score in scores:
        best = max(score(*pair) for pair in rows.items())
        rows = {row: accepted for row, accepted in rows.items() if score(row, accepted) == best}
    return rows


def _told_kingdom(checklist: Checklist, taxon: Taxon, rank: str) -> str:
    """Return the kingdom that a higher rank of a record implies, `""` if none is in one kingdom alone."""
    # A genus says nothing here: it may be a hemihomonym as the species is.
    for higher in RANKS[1 : min(RANKS.index(rank), RANKS.index("genus"))]:
        name = taxon.ranks[RANKS.index(higher)]
        accepted = (checklist.accepted(row) for row in checklist.rows(name, higher)) if name else ()
        kingdoms = {checklist.lineage(row).kingdom for row in accepted if row is not None} - {""}
        if len(kingdoms) == 1:
            return next(iter(kingdoms))
    return ""


def _agreement(taxon: Taxon, lineage: Taxon) -> int:
    return sum(bool(given) and given == told for given, told in zip(taxon.ranks[:-1], lineage.ranks[:-1]))


def _own(taxon: Taxon) -> tuple[str, ...]:
    return (taxon.scientific_name,) if taxon.scientific_name else ()
