"""Data sets of the Hugging Face library: of the hub, saved to disk, or a folder of parquet files or images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbio.data.defects import Defects
from clipbio.data.manifest import SPLITS
from clipbio.data.sources.cells import given, has_bases, is_sequence, text, texts
from clipbio.data.sources.huggingface_images import named_image
from clipbio.data.sources.huggingface_parts import Part, failures
from clipbio.data.specimen import Picture, SpeciesText, Specimen
from clipbio.errors import ClipbioError, nearest
from clipbio.files import file_state
from clipbio.taxonomy import RANKS, Taxon

if TYPE_CHECKING:
    import datasets

__all__ = ["HuggingfaceSource"]

_OUR_NAMES = {"validation": "val", "valid": "val", "dev": "val", **{name: name for name in SPLITS}}
_SAVED = ("dataset_dict.json", "state.json")


class HuggingfaceSource:
    """Read a data set with the library `datasets`: images are kept as the bytes they are, and none of its code runs.

    Rows count from 0. Without a column of ids, split and row are the id.

    Args:
        path: A folder (saved with `save_to_disk`, of parquet files, or of images), else a name of the hub.
        name: The configuration, where a data set has several.
        revision: Branch, tag or commit of the hub; a commit makes a run repeatable.
        splits: Their split -> ours, which also chooses those that are read; None reads all, whose names must be usual.
        columns: Field (see `usual_columns.FIELDS`) -> their column, where its name is not usual; None for no column.
        streaming: Read a data set of the hub while it comes in, instead of filling the library's cache first.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        revision: str | None = None,
        splits: Mapping[str, str] | None = None,
        columns: Mapping[str, str | None] | None = None,
        streaming: bool = False,
    ) -> None:
        self.path, self.defects = str(path), Defects()
        self.folder = Path(path) if Path(path).is_dir() else None
        self._request = (name, revision)
        try:
            loaded = self._loaded(streaming=streaming)
            self._splits = _chosen(splits, list(loaded), self.path)
            self._parts = {split: Part(loaded[split], columns, f"{self.path} {split}") for split in self._splits}
        except ImportError as error:
            message = f"{self.path}: this source needs datasets; pip install 'clipbio[huggingface]'"
            raise ClipbioError(message) from error

    @cached_property
    def total(self) -> int | None:
        """Count the rows, where the library knows them."""
        counts = [part.rows for part in self._parts.values()]
        return None if None in counts else sum(count or 0 for count in counts)

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        places: dict[str, str] = {}
        for split, part in self._parts.items():
            try:
                for row, cells, stored in part.records():
                    specimen = self._specimen(split, row, cells, stored, places)
                    if specimen is not None:
                        yield specimen
            except failures() as error:
                raise ClipbioError(f"{part.where} cannot be read: {_reason(error)}") from error

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield nothing: the texts of a data set belong to its records."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash the settings, and the files of a folder, or what the library tells about a data set of the hub."""
        columns = [(part.where, sorted(part.columns.items())) for part in self._parts.values()]
        digest = hashlib.blake2b(repr((self._request, self._splits, columns)).encode(), digest_size=16)
        if self.folder is None:
            digest.update(repr([part.identity for part in self._parts.values()]).encode())
            return digest.hexdigest()
        for file in sorted(file for file in self.folder.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(self.folder)}:{file_state(file)}\n".encode())
        return digest.hexdigest()

    def _loaded(self, *, streaming: bool) -> Mapping[str, datasets.Dataset | datasets.IterableDataset]:
        import datasets

        name, revision = self._request
        try:
            if self.folder and any((self.folder / file).is_file() for file in _SAVED):
                loaded = datasets.load_from_disk(self.path)
            else:
                loaded = datasets.load_dataset(self.path, name=name, revision=revision, streaming=streaming)
        except failures() as error:
            what = "folder" if self.folder else "name of the hub (no folder is there)"
            raise ClipbioError(f"'{self.path}' as a {what} cannot be loaded: {_reason(error)}") from error
        return loaded if isinstance(loaded, dict) else {str(loaded.split or "train"): loaded}

    def _specimen(
        self, split: str, row: int, cells: Mapping[str, Any], stored: Any, places: dict[str, str]
    ) -> Specimen | None:
        part = self._parts[split]
        values = {field: cells[column] for field, column in part.columns.items()}
        identity = text(values.get("specimen_id")) or f"{split}-{row}"
        image = self._picture(stored)
        unusable, dna = None, given(values.get("dna"))
        is_bad = bool(dna) and not is_sequence(dna)
        if identity in places:
            unusable = "duplicate_id", f"'{identity}' is already the id of {places[identity]}"
        elif stored is None and is_bad:
            unusable = "bad_barcode", f"'{dna[:20]}' is no sequence of nucleotides"
        elif stored is None and not has_bases(dna):
            unusable = "no_image_no_dna", "neither image nor dna is given"
        elif stored is not None and image is None:
            unusable = "missing_image", f"the image {stored} is not in the data set"
        where = f"{part.where} row {row}"
        if unusable:
            self.defects.add(unusable[0], where, unusable[1])
            return None
        if is_bad:
            self.defects.add("bad_barcode", where, f"'{dna[:20]}' is no sequence of nucleotides", skipped=False)
            values["dna"] = ""
        places[identity] = where
        used = set(part.columns.values())
        metadata = {n: c for n, c in cells.items() if n not in used and not isinstance(c, list) and text(c)}
        return _made(identity, image, self._splits[split], values, metadata)

    def _picture(self, stored: Any) -> Picture | None:
        if isinstance(stored, str):
            return named_image(stored, self._roots())
        picture: Picture | None = stored
        return picture

    def _roots(self) -> list[Path]:
        import datasets
        from huggingface_hub.constants import HF_HUB_CACHE

        caches = [Path(datasets.config.HF_DATASETS_CACHE), Path(HF_HUB_CACHE)]
        return [self.folder, *caches] if self.folder else caches


def _chosen(splits: Mapping[str, str] | None, present: list[str], where: str) -> dict[str, str]:
    """Return their split -> ours of the splits to read."""
    if splits is None:
        if unknown := next((name for name in present if name not in _OUR_NAMES), None):
            raise ClipbioError(
                f"{where} has the split '{unknown}', which is none of ours; choose with splits={{{unknown}: train}}"
            )
        return {name: _OUR_NAMES[name] for name in present}
    for theirs, ours in splits.items():
        if theirs not in present:
            raise ClipbioError(f"{where} has no split '{theirs}'{nearest(theirs, present)}")
        if ours not in SPLITS:
            raise ClipbioError(f"splits.{theirs}: unknown split '{ours}'{nearest(ours, SPLITS)}")
    return dict(splits)


def _made(
    identity: str, image: Picture | None, split: str, values: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Specimen:
    ranks = {rank: text(values.get(rank)) for rank in RANKS}
    taxon = Taxon.from_mapping(ranks)
    if not taxon.scientific_name:
        taxon = Taxon.from_mapping(ranks | {"species": text(values.get("scientific_name"))})
    return Specimen(
        id=identity,
        taxon=taxon,
        image=image,
        common_names=texts(values.get("common_name")),
        descriptions=texts(values.get("description")),
        split=split,
        metadata=metadata,
        dna=given(values.get("dna")),
        bin=given(values.get("bin")),
        label=given(values.get("label")),
        group_id=given(values.get("group_id")),
        licence=given(values.get("licence")),
        rights_holder=given(values.get("rights_holder")),
    )


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
