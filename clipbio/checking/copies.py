"""Groups of images that show the same photo, with what they are called and where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipbio.checking.duplicates import FINE_DISTANCE, Copies, distance_for, find_copies
from clipbio.checking.records import Records
from clipbio.data.defects import Defects
from clipbio.taxonomy import Taxon, class_name

__all__ = ["CopyGroup", "add_findings", "copy_groups", "duplicates_to_dict"]

_MEMBERS = 12
_GROUPS = 1000


@dataclass(frozen=True)
class Member:
    """One image of a group; `bits` is by how many of 256 its hash differs from that of the first member."""

    id: str
    split: str
    name: str
    bits: int


@dataclass(frozen=True)
class CopyGroup:
    """Images that show the same photo; of very many only the first are kept as members."""

    identical: bool
    size: int
    files: int
    members: tuple[Member, ...]
    splits: tuple[str, ...]
    names: tuple[str, ...]
    several_taxa: bool

    @property
    def across_splits(self) -> bool:
        """Tell whether the copies stand in several splits."""
        return len(self.splits) > 1

    @property
    def severity(self) -> tuple[bool, bool]:
        """Sort the worst first."""
        return not self.several_taxa, not self.across_splits

    def to_dict(self) -> dict[str, Any]:
        """Return the form of the report."""
        return {
            "kind": "identical" if self.identical else "near_identical",
            "images": self.size,
            "files": self.files,
            "splits": list(self.splits),
            "taxa": list(self.names),
            "across_splits": self.across_splits,
            "several_taxa": self.several_taxa,
            "members": [
                {"id": one.id, "split": one.split, "taxon": one.name, "bits": one.bits} for one in self.members
            ],
        }


def copy_groups(records: Records) -> list[CopyGroup]:
    """Return the groups of two and more images, those under several taxa first, then those across splits."""
    copies = find_copies(records.digest_M, records.fingerprint_MB, records.hashed_M)
    found = _Found(records, copies)
    return sorted((found.group(places.tolist()) for places in copies.groups()), key=lambda group: group.severity)


def add_findings(groups: Sequence[CopyGroup], findings: Defects) -> None:
    """Add what deserves a look; no record is lost by it."""
    for group in groups:
        where = ", ".join(f"'{one.id}' ({one.split})" for one in group.members[:3])
        where += f" and {group.size - 3} more" if group.size > 3 else ""
        same = "the same file" if group.identical else "the same photo in different files"
        findings.add("identical_images" if group.identical else "near_identical_images", where, same, skipped=False)
        if group.across_splits:
            message = f"{same} in {' and '.join(group.splits)}: what is measured there is not new to the model"
            findings.add("duplicate_across_splits", where, message, skipped=False)
        if group.several_taxa:
            message = f"{same} as {' and '.join(group.names)}: synonyms, or one is wrong"
            findings.add("same_photo_two_taxa", where, message, skipped=False)


def duplicates_to_dict(groups: Sequence[CopyGroup], records: Records, *, near: bool) -> dict[str, Any]:
    """Return counts, and the first groups."""
    images = len(records.image_M)
    return {
        "images": images,
        "hashed": int(records.hashed_M.sum()) if near else 0,
        "distance": {"of_64": distance_for(images), "of_256": FINE_DISTANCE} if near else None,
        "groups": len(groups),
        "identical_groups": sum(group.identical for group in groups),
        "near_identical_groups": sum(not group.identical for group in groups),
        "surplus_images": sum(group.size - 1 for group in groups),
        "surplus_identical": sum(group.size - group.files for group in groups),
        "across_splits": sum(group.across_splits for group in groups),
        "several_taxa": sum(group.several_taxa for group in groups),
        "listed": [group.to_dict() for group in groups[:_GROUPS]],
    }


class _Found:
    """Looks up what stands in the records about the places of opened images."""

    def __init__(self, records: Records, copies: Copies) -> None:
        self.copies, self.ids, self.rows = copies, records.ids, records.image_M
        self.kinds, self.kind_N = records.kinds.values, records.kinds.code_N
        self.splits, self.split_N = records.splits.values, records.splits.code_N

    def group(self, places: list[int]) -> CopyGroup:
        rows = self.rows[places].tolist()
        kinds = [self.kinds[kind] for kind in dict.fromkeys(self.kind_N[rows].tolist())]
        splits = dict.fromkeys(self.splits[split] for split in self.split_N[rows].tolist())
        members = tuple(
            Member(
                self.ids[row],
                self.splits[self.split_N[row]],
                _name(*self.kinds[self.kind_N[row]]),
                self.copies.bits(places[0], place),
            )
            for place, row in zip(places[:_MEMBERS], rows[:_MEMBERS], strict=True)
        )
        files = len(set(self.copies.file_M[places].tolist()))
        names = tuple(dict.fromkeys(_name(*kind) for kind in kinds))
        several = any(_differ(one, other) for number, one in enumerate(kinds) for other in kinds[:number])
        return CopyGroup(files == 1, len(places), files, members, tuple(splits), names, several)


def _name(taxon: Taxon, label: str) -> str:
    return class_name(taxon, label) or "unnamed"


def _differ(one: tuple[Taxon, str], other: tuple[Taxon, str]) -> bool:
    """Tell whether two names contradict each other at the deepest rank that both have; less determined does not."""
    (mine, my_label), (yours, your_label) = one, other
    if mine.scientific_name and yours.scientific_name:
        return mine.scientific_name != yours.scientific_name
    for name, other_name in zip(reversed(mine.ranks[:-1]), reversed(yours.ranks[:-1]), strict=True):
        if name and other_name and name != other_name:
            return True
        if name and other_name:
            break
    return bool(my_label and your_label and my_label != your_label)
