"""What a check walks through: a shard folder, or any source."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clipbio.checking.options import CheckOptions
from clipbio.data.check_shards import ShardCheck
from clipbio.data.defects import Defects
from clipbio.data.foreign.folders import find_foreign
from clipbio.data.images import BadImageError
from clipbio.data.manifest import MANIFEST
from clipbio.data.members import described, image_of, members_of
from clipbio.data.options import PrepareOptions
from clipbio.data.roots import local_folder
from clipbio.data.shards import ShardFolder
from clipbio.data.sources.base import Source, expected_total
from clipbio.data.sources.table import TableSource, find_specimens
from clipbio.data.sources.webdataset import WebdatasetSource
from clipbio.data.species_texts import SpeciesTexts, joinable
from clipbio.data.specimen import Picture, Specimen
from clipbio.data.tar import MASK_MEMBER
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon, stable_hash

__all__ = ["Item", "Walk", "walk_through"]

_FINDINGS_PER_KIND = 10


@dataclass(frozen=True, slots=True)
class Item:
    """One specimen, its image and mask as bytes where they were opened."""

    where: str
    specimen: Specimen
    image: bytes | None
    mask: bytes | None


class Walk(Protocol):
    """All specimens of a set, once, with what is wrong beside their pixels.

    Findings that lose records are those of a damaged folder where `fatal` is set.
    """

    name: str
    what: str
    fatal: bool
    findings: Defects
    total: int | None

    def items(self, options: CheckOptions) -> Iterator[Item]:
        """Yield the specimens that can be read; findings grow meanwhile."""
        ...

    def undecodable(self, item: Item, error: BadImageError) -> None:
        """Add the finding that an image is damaged behind its header."""
        ...

    def species_texts(self, taxa: Collection[Taxon]) -> SpeciesTexts:
        """Return the texts of species, after the walk."""
        ...

    def pictures(self, ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the encoded images of some specimens; those that cannot be read are left out."""
        ...


def walk_through(data: str | Path | Source, name: str = "") -> Walk:
    """Return the walk through a shard folder, foreign shards, the folder of a specimen table, or a source."""
    if not isinstance(data, str | Path):
        return SourceWalk(data, name)
    root = local_folder(data, "root")
    if (root / MANIFEST).is_file():
        return ShardWalk(root)
    if root.is_dir() and find_specimens(root):
        return SourceWalk(TableSource(root), what="specimen table")
    if root.is_dir() and find_foreign(root):
        return SourceWalk(WebdatasetSource(str(root)), what="foreign shards")
    raise ClipbioError(
        f"{root} is neither a shard folder ({MANIFEST}, or tars) nor the folder of a specimen table; "
        "other formats are checked with source=NAME source.root=FOLDER"
    )


class ShardWalk:
    """Walk through a shard folder, every byte compared with manifest and index."""

    what, fatal = "shard folder", True

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self.findings = Defects(kept=_FINDINGS_PER_KIND)
        self._root = root
        self._check = ShardCheck(root, self.findings)
        self.total: int | None = self._check.manifest.samples

    def items(self, options: CheckOptions) -> Iterator[Item]:
        """Yield the samples whose record can be read."""
        for where, specimen in self._check.samples():
            opened = _is_opened(specimen, options, self.total)
            image, mask = (_read(picture) if opened else None for picture in (specimen.image, specimen.mask))
            yield Item(where, specimen, image, mask)

    def undecodable(self, item: Item, error: BadImageError) -> None:
        """Add the finding that an image is damaged behind its header."""
        self.findings.add("undecodable_image", item.where, f"{error} of '{item.specimen.id}'")

    def species_texts(self, taxa: Collection[Taxon]) -> SpeciesTexts:
        """Return the texts of the folder."""
        return self._check.texts

    def pictures(self, ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield images by the index; nothing if the folder is too damaged to be opened."""
        try:
            folder = ShardFolder.open(self._root)
            for split in folder.splits:
                index = folder.index(split)
                for row, name in enumerate(index.ids):
                    if name in ids and isinstance(image := index.read(row).image, bytes):
                        yield name, image
        except ClipbioError:
            return


class SourceWalk:
    """Walk through a source as `prepare` would, without writing."""

    fatal = False

    def __init__(self, source: Source, name: str = "", what: str = "source") -> None:
        self.name = name or str(getattr(source, "root", type(source).__name__))
        self.what = what
        self.total = expected_total(source)
        self.findings = source.defects
        self.findings.kept = _FINDINGS_PER_KIND
        self._source = source

    def items(self, options: CheckOptions) -> Iterator[Item]:
        """Yield the specimens that `prepare` would write."""
        for specimen in self._source:
            where = f"specimen '{specimen.id}'"
            image = mask = None
            if _is_opened(specimen, options, self.total):
                try:
                    members = members_of(specimen, PrepareOptions(), self.findings)
                except (BadImageError, OSError) as error:
                    kind = error.kind if isinstance(error, BadImageError) else "unreadable_file"
                    self.findings.add(kind, where, described(specimen.image, error))
                    continue
                image, mask = image_of(members), members.get(MASK_MEMBER)
            if not specimen.has_name:
                self.findings.add("unnamed", where, "no taxon, common name, label or description", skipped=False)
            yield Item(where, specimen, image, mask)

    def undecodable(self, item: Item, error: BadImageError) -> None:
        """Add the finding that an image is damaged behind its header."""
        self.findings.add(error.kind, item.where, described(item.specimen.image, error))

    def species_texts(self, taxa: Collection[Taxon]) -> SpeciesTexts:
        """Return the texts of the source that its specimens bear; others are findings."""
        return SpeciesTexts(joinable(self._source.species_texts(), taxa, self.findings))

    def pictures(self, ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Read the source once more, up to the last image that is wanted."""
        left = set(ids)
        if not left:
            return
        for specimen in self._source:
            if specimen.id in left:
                left.remove(specimen.id)
                try:
                    image = image_of(members_of(specimen, PrepareOptions(), Defects()))
                except (BadImageError, OSError):
                    image = None
                if image is not None:
                    yield specimen.id, image
            if not left:
                return


def _read(picture: Picture | None) -> bytes | None:
    return picture if isinstance(picture, bytes) else None


def _is_opened(specimen: Specimen, options: CheckOptions, total: int | None) -> bool:
    """Tell whether the image is among those that are opened: a share of all, the same ones in every run."""
    if specimen.image is None:
        return True
    if options.max_images is None or total is None or total <= options.max_images:
        return True
    return stable_hash("check", specimen.id) < options.max_images / total * 2**63
