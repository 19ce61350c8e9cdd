"""The samples of one split, read by row at any place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clipbio.data.columns import Coded, Column, Integers, codes, compact, hashes, read_index, taxa_of
from clipbio.data.foreign.tars import Entry, Reader, read_entry
from clipbio.data.layouts import ClipbioLayout, Layout
from clipbio.data.manifest import INDEX, ShardEntry, ShardError
from clipbio.data.records import RecordCache
from clipbio.data.species_texts import SpeciesTexts
from clipbio.data.specimen import Specimen
from clipbio.data.storage import LocalStorage, ShardStorage
from clipbio.data.tar import BLOCK, IMAGE_MEMBERS, MASK_MEMBER
from clipbio.taxonomy import RANKS, Taxon, stable_hash

__all__ = ["RECORD_BYTES", "REMEDY", "MemberPlace", "ShardIndex"]

REMEDY = "run 'python -m clipbio check' on this folder"
_CACHED_BYTES = 2**26
RECORD_BYTES = 16 * 2**20
"""Largest member, but for images, that is read."""
_SAMPLE_BYTES = 2**30
_WINDOW = 32 * BLOCK
_PICTURES = (*IMAGE_MEMBERS, MASK_MEMBER)
_NUMBERS = (*RANKS, "bin", "label", "group_id", "offset", "length", "shard")
_STRINGS = ("id", "key", "image_digest", "dna_digest")


class MemberPlace(NamedTuple):
    """Where a member of a shard lies: a file of this machine, and its first byte and length in it."""

    path: Path
    start: int
    size: int


class ShardIndex:
    """The samples of one split in their order.

    Columns end in the letter of their length: `N` samples, `R` ranks. An index may be sent to workers: each process
    opens the shards itself.

    Args:
        root: The shard folder.
        split: Name of the split.
        shards: The shards of the split.
        texts: Texts of species, attached to the samples that are read.
        storage: Where the shards lie, by default in the folder itself.
        layout: What the members of a sample mean.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        shards: Sequence[ShardEntry],
        texts: SpeciesTexts,
        *,
        storage: ShardStorage | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.root, self.split, self.shards = root, split, tuple(shards)
        self.storage = storage or LocalStorage(root)
        self.layout = layout or ClipbioLayout()
        self._read_numbers(read_index(root / INDEX, split, _NUMBERS))
        self._read_strings(root / INDEX)
        # Of an index of many millions, what was needed to read it is as much again.
        pa.default_memory_pool().release_unused()
        self._texts = [texts.names_and_descriptions(taxon) for taxon in self.taxa]
        self._records = RecordCache(_CACHED_BYTES)

    def _read_numbers(self, table: pa.Table) -> None:
        self.taxa, taxon_N = taxa_of(table)
        keys_TR = np.array([taxon.rank_keys for taxon in self.taxa], np.int64).reshape(-1, len(RANKS))
        self.taxon_NR = Coded(taxon_N, keys_TR)
        self.bin_N = hashes(table["bin"], "bin")
        self.labels: Column[str] = Column(table["label"])
        self.group_ids: Column[str] = Column(table["group_id"])
        self.offset_N: Integers = table["offset"].to_numpy()
        self.length_N: Integers = table["length"].to_numpy()
        self.shard_N = self._shard_numbers(*codes(table["shard"]))

    def _read_strings(self, path: Path) -> None:
        # One after the other: these are the large ones, and each is held twice while it is read.
        ids, keys, images, barcodes = (read_index(path, self.split, [name])[name] for name in _STRINGS)
        self.ids: Column[str] = Column(ids)
        # Samples of foreign shards have no other name than their key.
        self.keys: Column[str] = self.ids if keys.equals(ids) else Column(keys)
        self.image_digests: Column[bytes] = Column(images)
        self.dna_digests: Column[bytes] = Column(barcodes)

    @property
    def taxon_N(self) -> npt.NDArray[np.signedinteger]:
        """Give the place of each sample's taxon in `taxa`."""
        return self.taxon_NR.code_N

    @cached_property
    def group_N(self) -> Integers:
        """Give a stable hash of the individual or occurrence of each sample, by default of the sample itself."""
        groups = zip(self.group_ids, self.ids, strict=True)
        hashed = [stable_hash("group", group) if group else stable_hash("specimen", name) for group, name in groups]
        return np.array(hashed, np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, row: int, *, image: bool = True) -> Specimen:
        """Return a sample with its own texts first, then those of its species.

        Args:
            row: Place of the sample in this index.
            image: Read image and mask too; without them the record alone is read, and kept for the next time.
        """
        row = range(len(self))[int(row)]
        if not image and (known := self._records.get(row)) is not None:
            return known
        try:
            members = self._whole(row) if image else self._texts_of(row)
            specimen = self._specimen(row, members)
        except ShardError as error:
            raise ShardError(f"{self._where(row)}: {error}; {REMEDY}") from error
        except OSError as error:
            raise ShardError(f"{self._where(row)} cannot be read ({error.strerror}); {REMEDY}") from error
        if not image:
            self._records.put(row, specimen, sum(map(len, members.values())))
        return specimen

    def image_place(self, row: int) -> MemberPlace | None:
        """Return where the encoded image of a sample lies, None without one or where shards are not of this machine.

        Raises:
            ShardError: The shard is damaged.
        """
        if not isinstance(self.storage, LocalStorage):
            return None
        row = range(len(self))[int(row)]
        for name, entry in self._entries(row, self._windows(row)):
            if name in IMAGE_MEMBERS:
                return MemberPlace(self.storage.path(self._shard(row)), entry.start, entry.size)
        return None

    def close(self) -> None:
        """Close the shards and forget the records of this process."""
        self.storage.close()
        self._records.clear()

    def _where(self, row: int) -> str:
        return f"{self.storage.name(self._shard(row))}, key {self.keys[row]}"

    def _shard(self, row: int) -> ShardEntry:
        return self.shards[int(self.shard_N[row])]

    def _shard_numbers(self, code_N: Integers, paths: Sequence[str]) -> npt.NDArray[np.signedinteger]:
        place = {shard.path: number for number, shard in enumerate(self.shards)}
        if foreign := set(paths) - set(place):
            raise ShardError(f"{self.root / INDEX} names the shard {min(foreign)}, the manifest does not; {REMEDY}")
        shard_N = np.array([place[path] for path in paths], np.int64)[code_N]
        counts = np.bincount(shard_N, minlength=len(self.shards))
        ends = self.offset_N + self.length_N
        sizes = np.array([shard.bytes for shard in self.shards], np.int64)[shard_N]
        outside = (self.offset_N < 0) | (self.length_N < BLOCK) | (ends > sizes)
        if outside.any() or counts.tolist() != [shard.samples for shard in self.shards]:
            raise ShardError(f"{self.root / INDEX} and the manifest disagree about split {self.split}; {REMEDY}")
        return compact(shard_N, len(self.shards))

    def _whole(self, row: int) -> dict[str, bytes]:
        """Return all members of a sample, read at once."""
        start, length = int(self.offset_N[row]), int(self.length_N[row])
        if length > _SAMPLE_BYTES:
            raise ShardError(f"the sample claims {length} bytes, more than {_SAMPLE_BYTES}")
        if length > RECORD_BYTES:
            self._texts_of(row)  # refuses a record that is too large before it is read
        data = self._bytes(row, start, length)

        def read(position: int, size: int) -> bytes:
            return data[position - start : position - start + size]

        return {name: self._content(entry, read) for name, entry in self._entries(row, read)}

    def _texts_of(self, row: int) -> dict[str, bytes]:
        """Return the members of a sample but image and mask, which are stepped over."""
        read = self._windows(row)
        return {name: self._content(one, read) for name, one in self._entries(row, read) if name not in _PICTURES}

    def _windows(self, row: int) -> Reader:
        """Return what reads a sample some blocks at a time."""
        end = int(self.offset_N[row]) + int(self.length_N[row])
        begin, window = 0, b""

        def read(position: int, size: int) -> bytes:
            # Small members often fit into what is read with a header.
            nonlocal begin, window
            if not begin <= position <= position + size <= begin + len(window):
                begin, window = position, self._bytes(row, position, max(size, min(_WINDOW, end - position)))
            return window[position - begin : position - begin + size]

        return read

    def _entries(self, row: int, read: Reader) -> Iterator[tuple[str, Entry]]:
        """Yield the members of a sample by name; what else stands between them, such as a folder, is passed over."""
        position = int(self.offset_N[row])
        end = position + int(self.length_N[row])
        while position < end:
            entry = read_entry(read, position)
            key, name = entry.sample_name if entry else ("", "")
            if entry is None or (key and key != self.keys[row]):
                raise ShardError(f"the index points to {key or 'the end of the shard'} instead")
            if entry.start + entry.size > end:
                raise ShardError(f"'{name}' is cut off")
            if key:
                if entry.danger:
                    raise ShardError(f"{entry.path!r} {entry.danger}")
                yield name, entry
            position = entry.next

    def _content(self, entry: Entry, read: Reader) -> bytes:
        picture = entry.sample_name[1] in _PICTURES
        if entry.size > RECORD_BYTES and not picture:
            raise ShardError(f"{entry.path!r} claims {entry.size} bytes, more than {RECORD_BYTES}")
        return read(entry.start, entry.size)

    def _bytes(self, row: int, start: int, length: int) -> bytes:
        data = self.storage.read(self._shard(row), start, length)
        if len(data) < length:
            raise ShardError(f"the shard ends {length - len(data)} bytes too early")
        return data

    def _specimen(self, row: int, members: Mapping[str, bytes]) -> Specimen:
        taxon, name = self.taxa[self.taxon_N[row]], self.ids[row]
        specimen = self.layout.specimen(self.keys[row], members)
        if not specimen.id:
            # Foreign shards tell neither id nor split inside of a sample.
            specimen = replace(specimen, id=name, split=self.split)
        if specimen.id != name:
            raise ShardError(f"the record is of specimen '{specimen.id}', the index says '{name}'")
        if specimen.taxon != taxon:
            raise ShardError(f"the record of '{name}' says {_shown(specimen.taxon)}, the index {_shown(taxon)}")
        common_names, descriptions = self._texts[self.taxon_N[row]]
        return specimen.with_texts(common_names, descriptions) if common_names or descriptions else specimen


def _shown(taxon: Taxon) -> str:
    return " ".join(filter(None, taxon.ranks)) or "no species"
