"""What a user says about merging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from clipbio.errors import ClipbioError, nearest

__all__ = ["IDENTIFIERS", "MergeSettings", "NameFile"]

IDENTIFIERS = ("image_url", "identifier", "accessURI")
"""Metadata that names a photo all over the world, where its value is a URL, a DOI or a URN."""


@dataclass(frozen=True)
class NameFile:
    """A checklist or a table of common names.

    Args:
        path: The file; see `merging.checklist_files.read_names` and `merging.vernacular.read_common_names`.
        format: Its form; `auto` tells it by the header.
        columns: Columns that have other names in this file (our name: name in the file).
    """

    path: str
    format: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, where: str) -> NameFile:
        """Read a path, or a mapping with `path`."""
        if isinstance(value, str):
            return cls(value)
        given = _mapping(value, where, cls)
        if not given.get("path"):
            raise ClipbioError(f"{where}.path is missing; give the file")
        return cls(str(given["path"]), str(given.get("format") or "auto"), dict(given.get("columns") or {}))


@dataclass(frozen=True)
class MergeSettings:
    """How several sources become one.

    Args:
        checklist: File that says which names are accepted; None leaves all names as they are.
        keep: `checklist` or `source`: whose higher ranks are kept where they differ.
        unmatched: `keep` or `drop` records whose name the checklist lacks.
        common_names: Tables of common names.
        languages: Languages of common names in the order of preference, as the tables write them; empty allows all.
        blocked_species: Names or files of names; see `BlockedSpecies`.
        blocked_images: Ids, file names, digests, files of them, or folders of pictures; see `BlockedImages`.
        identical_photos: Keep a photo that two sources bring byte for byte only once.
        photo_identifiers: Metadata by which two records are known to show the same photo.
        lend_barcodes: Pictures without a barcode borrow one of their species, see `LentBarcodes`.
    """

    checklist: NameFile | None = None
    keep: str = "checklist"
    unmatched: str = "keep"
    common_names: Sequence[NameFile] = ()
    languages: Sequence[str] = ()
    blocked_species: Sequence[str] = ()
    blocked_images: Sequence[str] = ()
    identical_photos: bool = True
    photo_identifiers: Sequence[str] = IDENTIFIERS
    lend_barcodes: bool = False

    def __post_init__(self) -> None:
        if self.unmatched not in ("keep", "drop"):
            raise ClipbioError(f"merge.unmatched={self.unmatched} is unknown; valid are: keep, drop")
        if self.unmatched == "drop" and self.checklist is None:
            raise ClipbioError("merge.unmatched=drop needs merge.checklist: without one no name is matched")
        if not isinstance(self.lend_barcodes, bool):
            raise ClipbioError(f"merge.lend_barcodes={self.lend_barcodes} must be true or false")

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> MergeSettings:
        """Read the part `merge` of a config; an unknown key is refused with the nearest."""
        given = _mapping(config, "merge", cls, nested=("blocked",), but=("blocked_species", "blocked_images"))
        blocked = given.pop("blocked", None) or {}
        for key in blocked:
            if key not in ("species", "images"):
                raise ClipbioError(f"merge.blocked.{key} is no setting{nearest(str(key), ('species', 'images'))}")
        for kind in ("species", "images"):
            given[f"blocked_{kind}"] = _texts(blocked.get(kind), f"merge.blocked.{kind}")
        for key in ("languages", "photo_identifiers"):
            if key in given:
                given[key] = _texts(given[key], f"merge.{key}")
        if given.get("checklist") is not None:
            given["checklist"] = NameFile.of(given["checklist"], "merge.checklist")
        tables = given.get("common_names") or []
        tables = tables if isinstance(tables, list) else [tables]
        given["common_names"] = tuple(NameFile.of(one, f"merge.common_names[{n}]") for n, one in enumerate(tables))
        return cls(**given)


def _mapping(
    value: Any, where: str, kind: type[Any], *, nested: Sequence[str] = (), but: Sequence[str] = ()
) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ClipbioError(f"{where} must be a mapping, not {value!r}")
    names = [one.name for one in fields(kind) if one.name not in but] + list(nested)
    for key in value:
        if key not in names:
            raise ClipbioError(f"{where}.{key} is no setting{nearest(str(key), names)}")
    return dict(value)


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int) for one in values):
        raise ClipbioError(f"{where} must be a list of texts, not {value!r}")
    return tuple(map(str, values))
