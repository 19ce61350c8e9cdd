"""Species and pictures that must not be in the set: lists in the forms that people have them in."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from clipbio.data.defects import Defects
from clipbio.data.merging.resolving import Resolver
from clipbio.data.pictures import read_picture
from clipbio.data.sources.cells import text
from clipbio.data.sources.tabular import SUFFIXES, TabularFile
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.files import read_json
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["BlockedImages", "BlockedSpecies"]

_IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp"})
_HEX = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
_LINEAGE = re.compile(r"[^\s-]*(-[^\s-]*){5,}")
_LIST_SUFFIXES = frozenset({".txt", ".json", ".gz", ".csv", ".tsv", ".parquet"})
_NAME_COLUMNS = ("scientific_name", "species", "name")
_IMAGE_COLUMNS = ("image", "id", "specimen_id", "digest", "file")


class BlockedSpecies:
    """Species that are left out, under any of their names.

    Args:
        entries: Names, or files of names: one a line, a table with a column `scientific_name`, `species` or `name`
            (and `kingdom`), or JSON whose list or keys are names. A name is a binomial, or a lineage joined by hyphens
            as the Rare Species list has them (`Animalia-...-Cassis-tuberculata`).
        resolver: Blocks the accepted name of a synonym too; an ambiguous name blocks all that it may mean.

    Raises:
        ClipbioError: An entry is no name of a species: it would block nothing.
    """

    def __init__(self, entries: Sequence[str], resolver: Resolver) -> None:
        self.hits: Counter[str] = Counter()
        self._entries_of: dict[str, list[tuple[str, str]]] = {}
        self.lists: dict[str, list[str]] = {}
        for where, entry, taxon in _blocked_names(entries):
            self.lists.setdefault(where, []).append(entry)
            resolution = resolver(taxon)
            for name in dict.fromkeys((taxon.scientific_name, *resolution.candidates)):
                self._entries_of.setdefault(name, []).append((resolution.taxon.kingdom, entry))

    def __bool__(self) -> bool:
        return bool(self._entries_of)

    def blocks(self, names: Iterable[str], kingdom: str, *, count: bool = True) -> bool:
        """Tell whether one of the names that a record may have is blocked, in its kingdom."""
        found = {
            entry
            for name in names
            for other, entry in self._entries_of.get(name, ())
            if not other or not kingdom or other == kingdom
        }
        if count:
            self.hits.update(found)
        return bool(found)

    def warnings(self) -> Iterator[str]:
        """Say which lists, and which entries given by themselves, blocked nothing at all."""
        yield from _unused(self.lists, self.hits, "species")


def _blocked_names(entries: Sequence[str]) -> Iterator[tuple[str, str, Taxon]]:
    for given in entries:
        path = Path(given)
        if not _is_file(path):
            if path.suffix in _LIST_SUFFIXES or "/" in given:
                raise ClipbioError(f"merge.blocked.species: the file {given} is not there")
            yield "merge.blocked.species", given, _blocked_taxon(given, "", "merge.blocked.species")
            continue
        for where, entry, kingdom in _listed(path, _NAME_COLUMNS):
            yield path.name, entry, _blocked_taxon(entry, kingdom, where)


def _blocked_taxon(entry: str, kingdom: str, where: str) -> Taxon:
    if _LINEAGE.fullmatch(entry):
        parts = entry.split("-", maxsplit=len(RANKS) - 1)
        taxon = Taxon.from_mapping(dict(zip(RANKS, parts)))
    else:
        taxon = Taxon.from_mapping({"kingdom": kingdom, "species": entry})
    if not taxon.scientific_name:
        raise ClipbioError(
            f"{where}: '{entry}' is no name of a species and would block nothing; write genus and epithet"
        )
    return taxon


@dataclass
class BlockedImages:
    """Pictures that are left out, and every byte-identical copy of them.

    Args:
        entries: Ids, file names or digests, or files of them (one a line, a table with a column `image`, `id`,
            `specimen_id`, `digest` or `file`, or JSON), or folders of pictures. A digest is BLAKE2b (16 bytes, as in
            `index.parquet`), MD5 or SHA-256 in hexadecimal. A file name fits the end of a picture's path.
    """

    entries: Sequence[str] = ()
    lists: dict[str, list[str]] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)
    folder_sizes: set[int] = field(default_factory=set)
    digests_given: bool = False
    _names: dict[str, str] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for given in self.entries:
            path = Path(given)
            if path.is_dir():
                self._add_folder(path)
            elif _is_file(path) and path.suffix.lower() not in _IMAGE_SUFFIXES:
                for _, entry, _ in _listed(path, _IMAGE_COLUMNS):
                    self._add(path.name, entry)
            else:
                _refuse_missing(given)
                self._add("merge.blocked.images", given)

    def __bool__(self) -> bool:
        return bool(self._names or self._digests)

    def names(self, source: str, specimen: Specimen) -> bool:
        """Tell whether a record or its file is listed by name."""
        keys = [specimen.id, f"{source}/{specimen.id}"]
        if isinstance(specimen.image, Path):
            keys.append(str(specimen.image))
            parts = specimen.image.parts
            keys += ["/".join(parts[start:]) for start in range(len(parts))]
        found = {self._names[key] for key in keys if key in self._names}
        self.hits.update(found)
        return bool(found)

    def content(self, data: bytes) -> bool:
        """Tell whether a picture is listed by its content."""
        hashes = [hashlib.blake2b(data, digest_size=16).hexdigest()]
        if self.digests_given:
            hashes += [hashlib.md5(data, usedforsecurity=False).hexdigest(), hashlib.sha256(data).hexdigest()]
        found = {self._digests[key] for key in hashes if key in self._digests}
        self.hits.update(found)
        return bool(found)

    def warnings(self) -> Iterator[str]:
        """Say which lists blocked nothing at all, and which names are those of several pictures."""
        yield from _unused(self.lists, self.hits, "images")
        for entry in sorted(set(self._names.values())):
            if self.hits[entry] > 1:
                yield f"blocked images: '{entry}' names {self.hits[entry]} records; write more of the path, or NAME/ID"

    def _add(self, where: str, entry: str) -> None:
        self.lists.setdefault(where, []).append(entry)
        if _HEX.fullmatch(entry.lower()):
            self._digests[entry.lower()] = entry
            self.digests_given = True
        else:
            self._names[entry] = entry
            name = PurePosixPath(entry)
            if name.suffix.lower() in _IMAGE_SUFFIXES:
                # The id of a record is often the name of its file.
                self._names.setdefault(name.stem, entry)

    def _add_folder(self, folder: Path) -> None:
        pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _IMAGE_SUFFIXES)
        if not pictures:
            raise ClipbioError(f"merge.blocked.images: {folder} holds no pictures")
        for path in pictures:
            data = read_picture(path)
            name = path.relative_to(folder).as_posix()
            self.lists.setdefault(folder.name, []).append(name)
            self.folder_sizes.add(len(data))
            self._digests[hashlib.blake2b(data, digest_size=16).hexdigest()] = name


def _listed(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield place, entry and kingdom of each entry of a list."""
    if path.suffix == ".json":
        entries = read_json(path)
        if not isinstance(entries, dict | list):
            raise ClipbioError(f"{path} is neither a list nor an object of names")
        for entry in entries:
            if not isinstance(entry, str):
                raise ClipbioError(f'{path}: the entry {str(entry)[:80]} is no text; list names, or ids as "12"')
            yield path.name, entry, ""
    elif path.name.endswith(SUFFIXES):
        yield from _listed_rows(path, columns)
    else:
        yield from ((f"{path.name} line {n}", line, "") for n, line in enumerate(_lines(path), 1) if line)


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ClipbioError(f"{path} cannot be read as a list, one entry a line in UTF-8: {error}") from error


def _listed_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    table, defects = TabularFile(path), Defects()
    column = next((name for name in columns if name in table.columns), None)
    if column is None:
        raise ClipbioError(f"{path} has none of the columns {', '.join(columns)}; they are: {', '.join(table.columns)}")
    for number, cells in table.rows(defects):
        entry = text(cells.get(column))
        if column == "species" and " " not in entry:
            entry = f"{text(cells.get('genus'))} {entry}".strip()
        if entry:
            yield table.where(number), entry, text(cells.get("kingdom"))
    if defects:
        raise ClipbioError(f"{path}: {defects.summary()}; a blocked list must be whole")


def _refuse_missing(given: str) -> None:
    """Refuse what can only be a file or a folder that is not there: as the name of a picture it would block nothing."""
    path = Path(given)
    outside = path.is_absolute() or given.startswith(("./", "../", "~"))
    if given.endswith("/") or path.suffix.lower() in _LIST_SUFFIXES or (outside and not _is_file(path)):
        raise ClipbioError(f"merge.blocked.images: {given} is not there; give a list, a folder of pictures, or an id")


def _unused(lists: dict[str, list[str]], hits: Counter[str], what: str) -> Iterator[str]:
    for where, entries in lists.items():
        if not any(entry in hits for entry in entries):
            count = f"none of the {len(entries)} entries of {where} occurs in the data"
            yield f"blocked {what}: {count}, for example '{entries[0]}'; is it a list of another form?"
        elif where.startswith("merge.blocked."):
            for entry in entries:
                if entry not in hits:
                    yield f"blocked {what}: '{entry}' of {where} occurs nowhere in the data"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
