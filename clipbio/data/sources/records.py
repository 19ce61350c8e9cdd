"""What the sources of downloaded tables share: ids that occur once, and one specimen for each picture of a record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from clipbio.data.defects import Defects
from clipbio.data.sources.cells import has_bases, text
from clipbio.data.sources.pictures import Medium, Pictures
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError, nearest

__all__ = ["Ids", "chosen", "kept_columns", "pictured"]


@dataclass
class Ids:
    """The ids of a source so far, and where they stood."""

    defects: Defects
    _first: dict[str, str] = field(default_factory=dict)

    def claim(self, identity: str, where: str) -> bool:
        """Take an id; one that is missing or taken is counted as a defect."""
        if not identity:
            self.defects.add("missing_id", where, "the record has no id")
        elif identity in self._first:
            self.defects.add("duplicate_id", where, f"'{identity}' is already the id of {self._first[identity]}")
        else:
            self._first[identity] = where
            return True
        return False


def kept_columns(
    metadata: Sequence[str] | None, present: Iterable[str], usual: Sequence[str], where: object
) -> tuple[str, ...] | None:
    """Return the columns to keep as metadata as they are spelled there; `usual` ones may be missing.

    Raises:
        ClipbioError: A column is neither there nor usual.
    """
    if metadata is None:
        return None
    spelled = {name.lower(): name for name in (*usual, *present) if name}
    for name in metadata:
        if name.lower() not in spelled:
            raise ClipbioError(f"{where}: metadata names the unknown column '{name}'{nearest(name, spelled.values())}")
    return tuple(spelled[name.lower()] for name in metadata)


def chosen(values: Mapping[str, str], metadata: Sequence[str] | None, used: frozenset[str]) -> dict[str, str]:
    """Return the cells that are kept as metadata: the chosen columns, with None all that are not used otherwise."""
    names = [name for name in values if name not in used] if metadata is None else metadata
    return {name: cell for name in names if (cell := text(values.get(name)))}


def pictured(
    record: Specimen,
    media: Sequence[Medium],
    pictures: Pictures,
    where: str,
    ids: Ids,
    *,
    grouped: bool = True,
    key: str = "",
    count: int = 0,
) -> Iterator[Specimen]:
    """Yield a specimen for each picture of a record, the record itself if it only has a barcode.

    Where a record names several pictures, their ids are `ID_1`, `ID_2` ... in the order they are named, so that a
    picture keeps its id when others arrive; if `grouped` they share the record's id as their group. A picture that is
    named and not there is counted. Files are looked up by `key`, by default the id. Of a record that names none,
    `count` tells how many it has at least; files keep their numbers where others between them are missing.
    """
    defects = ids.defects
    if media:
        files = zip(pictures.find(key or record.id, media), media, strict=True)
        found = [(number, path, medium) for number, (path, medium) in enumerate(files, start=1)]
    else:
        found = [(number, path, Medium()) for number, path in pictures.numbered(key or record.id, count)]
    if not found and not has_bases(record.dna):
        by_id = "no file bears its id" if pictures.named_by == "id" else "files are looked up by address alone"
        defects.add("no_image_no_dna", where, f"the record names no picture, and {by_id}")
    several, written = len(found) > 1, False
    for number, path, medium in found:
        identity = f"{record.id}_{number}" if several and number else record.id
        if path is None:
            defects.add(
                "image_not_downloaded", where, _advice(medium, number, pictures), skipped=not has_bases(record.dna)
            )
        elif identity == record.id or ids.claim(identity, where):
            yield _with_picture(record, identity, path, medium, record.id if several and grouped else "")
            written = True
    if has_bases(record.dna) and not written:
        yield record


def _with_picture(record: Specimen, identity: str, path: Path, medium: Medium, group: str) -> Specimen:
    return replace(
        record,
        id=identity,
        image=path,
        group_id=record.group_id or group,
        licence=medium.licence or record.licence,
        rights_holder=medium.rights_holder or record.rights_holder,
        metadata={**record.metadata, **medium.metadata},
    )


def _advice(medium: Medium, number: int, pictures: Pictures) -> str:
    address = next(iter(medium.urls), f"picture {number} without address")
    if pictures.folder is None:
        return f"{address}: pictures are not downloaded here; give the folder where they lie with images="
    if pictures.named_by == "id":
        return f"{address}: no file of {pictures.folder} bears the id of the record; else set images_named_by=address"
    return f"{address}: no file of {pictures.folder} is named after it; if ids are the names set images_named_by=id"
