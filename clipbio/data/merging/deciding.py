"""Which records of several sources go into the merged set: decided in two passes before the first one is handed on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from clipbio.data.digests import image_digest
from clipbio.data.merging.blocking import BlockedImages, BlockedSpecies
from clipbio.data.merging.groups import Groups, is_worldwide, merged_group
from clipbio.data.merging.log import ConflictLog
from clipbio.data.merging.resolving import Note, Resolution, Resolver
from clipbio.data.pictures import picture_size, read_picture
from clipbio.data.sources.base import Source
from clipbio.data.species_texts import name_of
from clipbio.data.specimen import Specimen
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["Decisions", "Drop", "Rules", "decide"]

_SEVERAL = -1
_NOT_MATCHED = ("unmatched", "other_kingdom")
_LOSABLE = ("mask", "common_names", "descriptions", "dna", "bin", "label", "licence", "rights_holder")
_INATURALIST = re.compile(r"inaturalist[^/]*/photos/(\d+)/\w+\.\w+")


@dataclass(frozen=True)
class Rules:
    """What decides: see `MergeSettings`."""

    resolver: Resolver
    species: BlockedSpecies
    images: BlockedImages
    drop_unmatched: bool = False
    identical_photos: bool = True
    photo_identifiers: Sequence[str] = ()

    def blocks_species(self, specimen: Specimen, resolution: Resolution, *, count: bool = True) -> bool:
        """Tell whether the species of a record is blocked, under the name it came with or another."""
        names = (specimen.taxon.scientific_name, resolution.taxon.scientific_name, *resolution.candidates)
        return self.species.blocks(filter(None, dict.fromkeys(names)), resolution.taxon.kingdom, count=count)


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a record is left out, the id of the one that is kept instead, and what only the dropped one had."""

    outcome: str
    instead: str = ""
    lost: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    """A photo that was kept; `has` is a bit for each of `_LOSABLE`, since there may be millions of photos."""

    number: int
    id: str
    group: str
    taxon: Taxon
    has: int


@dataclass
class Decisions:
    """What was decided about each record; those without a `Drop` are kept.

    Args:
        sources: Names of the sources in their order.
    """

    sources: Sequence[str]
    drops: dict[str, dict[str, Drop]] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    taxa: dict[str, dict[str, set[Taxon]]] = field(default_factory=dict)
    kept_taxa: set[Taxon] = field(default_factory=set)
    groups: Groups = field(default_factory=Groups)
    skipped: int = 0

    def __post_init__(self) -> None:
        self.log = ConflictLog(self.sources)
        for name in self.sources:
            self.drops[name], self.counts[name], self.taxa[name] = {}, Counter(), {}

    @property
    def kept(self) -> int:
        """Count the records that are kept."""
        return sum(counts["kept"] for counts in self.counts.values())


def decide(sources: Mapping[str, Source], rules: Rules) -> Decisions:
    """Read all records twice, and of the pictures only those that may be the same as another one.

    The first pass finds what is blocked and the sizes of pictures; two pictures of different size are not the same
    file. The second one reads the pictures whose size occurs in two sources. A picture that is blocked, or shows a
    blocked species, is blocked wherever else the same file occurs. The groups of two records of one photo become one.
    """
    return _Deciding(sources, rules).run()


class _Deciding:
    def __init__(self, sources: Mapping[str, Source], rules: Rules) -> None:
        self.sources, self.rules = sources, rules
        self.made = Decisions(list(sources))
        self.source_of_size: dict[int, int] = {}
        self.tainted: set[bytes] = set()
        self.tainted_sizes: set[int] = set(rules.images.folder_sizes)
        self.held: dict[bytes | str, _Held] = {}

    def run(self) -> Decisions:
        for number, name, specimen in self._records():
            self._block(number, name, specimen)
        for number, name, specimen in self._records():
            if specimen.id not in self.made.drops[name]:
                self._place(number, name, specimen)
        self.made.skipped = sum(source.defects.skipped for source in self.sources.values())
        return self.made

    def _records(self) -> Iterator[tuple[int, str, Specimen]]:
        for number, (name, source) in enumerate(self.sources.items()):
            for specimen in source:
                yield number, name, specimen

    def _block(self, number: int, name: str, specimen: Specimen) -> None:
        resolution = self.rules.resolver(specimen.taxon)
        self.made.counts[name]["records"] += 1
        if specimen.taxon.deepest:
            self.made.taxa[name].setdefault(specimen.taxon.deepest[1], set()).add(resolution.taxon)
        if self.rules.blocks_species(specimen, resolution):
            self._taint(name, specimen, "blocked_species")
        elif self.rules.images.names(name, specimen):
            self._taint(name, specimen, "blocked_image")
        elif self.rules.drop_unmatched and resolution.match in _NOT_MATCHED:
            self._drop(name, specimen, Drop("unmatched"))
        elif specimen.image is not None and self.rules.identical_photos:
            size = picture_size(specimen.image)
            if self.source_of_size.setdefault(size, number) != number:
                self.source_of_size[size] = _SEVERAL

    def _taint(self, name: str, specimen: Specimen, outcome: str) -> None:
        self._drop(name, specimen, Drop(outcome))
        if data := read_picture(specimen.image):
            self.tainted.add(image_digest(data))
            self.tainted_sizes.add(len(data))

    def _drop(self, name: str, specimen: Specimen, drop: Drop) -> None:
        self.made.drops[name][specimen.id] = drop
        self.made.counts[name][drop.outcome] += 1

    def _place(self, number: int, name: str, specimen: Specimen) -> None:
        resolution = self.rules.resolver(specimen.taxon)
        digest, blocked = self._looked_at(specimen)
        if blocked:
            self._drop(name, specimen, Drop("blocked_image"))
            return
        keys: list[bytes | str] = [*([digest] if digest else []), *self._identifiers(specimen)]
        group = merged_group(name, specimen.group_id)
        same = [held for key in keys if (held := self.held.get(key)) and held.number != number]
        if same:
            for held in same:
                self.made.groups.tie(held.id, held.group, group)
            self._drop_duplicate(name, specimen, resolution, same[0])
            return
        # Records of the last source, or of the only one, are looked for by no other.
        if keys and number < len(self.sources) - 1:
            has = sum(1 << bit for bit, column in enumerate(_LOSABLE) if getattr(specimen, column))
            held = _Held(number, f"{name}/{specimen.id}", group, resolution.taxon, has)
            for key in keys:
                self.held.setdefault(key, held)
        self._keep(name, specimen, resolution)

    def _looked_at(self, specimen: Specimen) -> tuple[bytes, bool]:
        """Return the digest of a picture that may be one of two, and whether it is blocked."""
        if specimen.image is None:
            return b"", False
        size = picture_size(specimen.image)
        shared = self.rules.identical_photos and self.source_of_size.get(size) == _SEVERAL
        if not (shared or size in self.tainted_sizes or self.rules.images.digests_given):
            return b"", False
        data = read_picture(specimen.image)
        digest = image_digest(data) if data else b""
        blocked = bool(data) and (digest in self.tainted or self.rules.images.content(data))
        return (digest if shared else b""), blocked

    def _identifiers(self, specimen: Specimen) -> list[str]:
        if specimen.image is None or len(self.sources) == 1:
            return []
        values = (str(specimen.metadata.get(key) or "").strip() for key in self.rules.photo_identifiers)
        return [_address(value) for value in values if is_worldwide(value)]

    def _drop_duplicate(self, name: str, specimen: Specimen, resolution: Resolution, first: _Held) -> None:
        missing = (column for bit, column in enumerate(_LOSABLE) if not first.has >> bit & 1)
        lost = [column for column in missing if getattr(specimen, column)]
        note = _disagreement(resolution.taxon, first.taxon)
        if note is not None:
            self.made.log.add(name, f"{name}/{specimen.id}", name_of(first.taxon), note)
            lost += ["taxon"] if note.reason == "duplicate_photo_finer" else []
        self.made.counts[name]["lost_with_duplicates"] += bool(lost)
        self._drop(name, specimen, Drop("duplicate_photo", first.id, " ".join(lost)))

    def _keep(self, name: str, specimen: Specimen, resolution: Resolution) -> None:
        counts = self.made.counts[name]
        counts["kept"] += 1
        counts[resolution.match] += 1
        counts["filled_ranks"] += resolution.filled
        self.made.kept_taxa.add(resolution.taxon)
        for note in resolution.notes:
            self.made.log.add(name, f"{name}/{specimen.id}", name_of(resolution.taxon), note)


def _address(value: str) -> str:
    """Return what an address names: without the scheme, and a photo of iNaturalist in whatever size."""
    photo = _INATURALIST.search(value)
    return f"inaturalist photo {photo[1]}" if photo else value.removeprefix("https:").removeprefix("http:")


def _disagreement(dropped: Taxon, kept: Taxon) -> Note | None:
    """Compare the determinations of one photo: the highest rank at which they differ, or the finer one that is lost."""
    for rank, theirs, ours in zip(RANKS[:-1], dropped.ranks, kept.ranks):
        if theirs and ours and theirs != ours:
            return Note(rank, theirs, ours, "duplicate_photo")
    theirs, ours = dropped.scientific_name, kept.scientific_name
    if theirs and ours and theirs != ours:
        return Note("species", theirs, ours, "duplicate_photo")
    places = [max((n for n, name in enumerate(taxon.ranks) if name), default=-1) for taxon in (dropped, kept)]
    if places[0] > places[1]:
        rank, name = dropped.deepest or ("", "")
        return Note(rank, name, name_of(kept), "duplicate_photo_finer")
    return None
