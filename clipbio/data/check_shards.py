"""The check of a shard folder: every byte, every sample, every row of the index."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipbio.data.columns import codes, read_index, taxa_of
from clipbio.data.defects import Defects
from clipbio.data.digests import image_digest
from clipbio.data.foreign.samples import IMAGE_BYTES
from clipbio.data.index import RECORD_BYTES
from clipbio.data.layouts import parse_record
from clipbio.data.manifest import INDEX, SPLITS, TEXTS, Manifest, ShardEntry, ShardError
from clipbio.data.species_texts import SpeciesTexts
from clipbio.data.specimen import Specimen
from clipbio.data.tar import IMAGE_MEMBERS, MASK_MEMBER, RECORD_MEMBER, Member, walk
from clipbio.data.writer import file_entry
from clipbio.taxonomy import Taxon

__all__ = ["ShardCheck"]

_KEY = re.compile(r"[A-Za-z0-9_-]+")
_KNOWN = frozenset({RECORD_MEMBER, MASK_MEMBER, *IMAGE_MEMBERS})


@dataclass(frozen=True, slots=True)
class _Row:
    """What the index says of a sample."""

    id: str
    offset: int
    length: int
    digest: bytes
    taxon: Taxon


class ShardCheck:
    """One check of a shard folder.

    Args:
        root: The folder.
        findings: What is found is put here.
    """

    def __init__(self, root: Path, findings: Defects) -> None:
        self.root, self.findings = root, findings
        self.manifest = Manifest.load(root)
        self.shards = 0
        self.texts = SpeciesTexts()
        self._index: pa.Table | None = None
        self._rows_of: dict[str, list[int]] = {}

    def samples(self) -> Iterator[tuple[str, Specimen]]:
        """Check everything but the pixels; yield place and content of each sample whose record can be read."""
        self._check_file(INDEX)
        if self._check_file(TEXTS):
            self._check_texts()
        self._read_index()
        listed = {shard.path for shard in self.manifest.shards}
        for path in sorted(self.root.rglob("*.tar")):
            if (name := path.relative_to(self.root).as_posix()) not in listed:
                self.findings.add("extra_shard", name, "the manifest does not list it; prepare the folder again")
        for shard in self.manifest.shards:
            yield from self._check_shard(shard)

    def _check_file(self, name: str) -> bool:
        path, entry = self.root / name, self.manifest.files[name]
        if not path.is_file():
            self.findings.add("missing_file", name, "the manifest lists it; prepare the folder again")
            return False
        if file_entry(path) != entry:
            self.findings.add("changed_file", name, "its content is not what the manifest says")
        return True

    def _check_texts(self) -> None:
        try:
            self.texts = SpeciesTexts.load(self.root / TEXTS)
        except (pa.ArrowException, OSError, TypeError) as error:
            self.findings.add("damaged_file", TEXTS, str(error).splitlines()[0])

    def _read_index(self) -> None:
        try:
            table = read_index(self.root / INDEX)
        except ShardError as error:
            self.findings.add("damaged_file", INDEX, str(error))
            return
        self._taxa, self._taxon_N = taxa_of(table)
        self._index = table
        code_N, paths = codes(table["shard"])
        for number, path in enumerate(paths):
            self._rows_of[path] = np.flatnonzero(code_N == number).tolist()
        for path in sorted(set(paths) - {shard.path for shard in self.manifest.shards}):
            self.findings.add("unlisted_shard", INDEX, f"names {path}, the manifest does not")
        for split in sorted(set(codes(table["split"])[1]) - set(SPLITS)):
            self.findings.add("unknown_split", INDEX, f"'{split}' is none of {', '.join(SPLITS)}")
        counted = pc.value_counts(table["id"].combine_chunks())
        repeated = counted.filter(pc.greater(counted.field("counts"), 1))
        for entry in repeated.to_pylist():
            self.findings.add("duplicate_id", INDEX, f"'{entry['values']}' stands there {entry['counts']} times")

    def _check_shard(self, shard: ShardEntry) -> Iterator[tuple[str, Specimen]]:
        path = self.root / shard.path
        if shard.split not in SPLITS:
            self.findings.add("unknown_split", shard.path, f"'{shard.split}' is none of {', '.join(SPLITS)}")
        if not path.is_file():
            self.findings.add("missing_shard", shard.path, f"the manifest says {shard.samples} samples")
            return
        self.shards += 1
        entry = file_entry(path)
        if entry.bytes < shard.bytes:
            self.findings.add("truncated_shard", shard.path, f"{entry.bytes} of {shard.bytes} bytes")
        elif entry.bytes > shard.bytes:
            self.findings.add("wrong_size", shard.path, f"{entry.bytes} bytes, the manifest says {shard.bytes}")
        elif entry.sha256 != shard.sha256:
            self.findings.add("wrong_hash", shard.path, "its SHA-256 is not that of the manifest")
        rows = self._rows(shard.path)
        with path.open("rb") as file:
            samples = yield from self._check_samples(shard, file, entry.bytes, rows)
        if rows:
            key, row = next(iter(rows.items()))
            message = f"{len(rows)} samples of the index are not there, the first is '{row.id}' (key {key})"
            self.findings.add("missing_samples", shard.path, message)
        elif samples != shard.samples:
            self.findings.add("wrong_count", shard.path, f"{samples} samples, the manifest says {shard.samples}")

    def _rows(self, path: str) -> dict[str, _Row]:
        if self._index is None or path not in self._rows_of:
            return {}
        numbers = self._rows_of[path]
        columns = self._index.select(["key", "id", "offset", "length", "image_digest"]).take(numbers).to_pydict()
        taxa = [self._taxa[index] for index in self._taxon_N[numbers]]
        keys, *values = columns.values()
        return {key: _Row(*entry) for key, *entry in zip(keys, *values, taxa, strict=True)}

    def _check_samples(
        self, shard: ShardEntry, file: BinaryIO, size: int, rows: dict[str, _Row]
    ) -> Generator[tuple[str, Specimen], None, int]:
        """Check the samples up to the first damage, take them out of `rows`, and return their number."""
        members = self._sound_members(shard, file, size)
        samples = 0
        for key, group in groupby(members, key=lambda member: member.key):
            samples += 1
            where = f"{shard.path} key {key}"
            specimen = self._check_sample(where, key, list(group), file, rows.pop(key, None))
            if specimen is not None:
                yield where, specimen
        return samples

    def _sound_members(self, shard: ShardEntry, file: BinaryIO, size: int) -> list[Member]:
        members: list[Member] = []
        try:
            for member in walk(file, size):
                members.append(member)
        except ShardError as error:
            if size >= shard.bytes:
                self.findings.add("damaged_shard", shard.path, str(error))
            # The sample in which the damage stands is not whole: it counts as missing.
            return [member for member in members if member.key != members[-1].key]
        return members

    def _check_sample(
        self, where: str, key: str, members: list[Member], file: BinaryIO, row: _Row | None
    ) -> Specimen | None:
        if not _KEY.fullmatch(key):
            self.findings.add("bad_key", where, "keys have letters, digits, '-' and '_' only")
        content: dict[str, bytes] = {}
        for member in members:
            if member.name not in _KNOWN:
                message = f"'.{member.name}' is no member of a sample (all that follows the first dot is the extension)"
                self.findings.add("unknown_member", where, message)
                continue
            if member.name in content:
                self.findings.add("repeated_member", where, f"'.{member.name}' occurs more than once")
            limit = RECORD_BYTES if member.name == RECORD_MEMBER else IMAGE_BYTES
            if member.size > limit:
                message = f"'.{member.name}' has {member.size} bytes, more than {limit}: it is not read"
                self.findings.add("too_large", where, message)
                continue
            file.seek(member.start)
            content[member.name] = file.read(member.size)
        if self._index is not None:
            self._check_place(where, members, row)
        image = next((content[name] for name in IMAGE_MEMBERS if name in content), None)
        if row is not None and image_digest(image) != row.digest:
            self.findings.add("wrong_image", where, f"the image of '{row.id}' is not the one that the index knows")
        specimen = self._check_record(where, content.get(RECORD_MEMBER), row)
        return None if specimen is None else replace(specimen, image=image, mask=content.get(MASK_MEMBER))

    def _check_place(self, where: str, members: list[Member], row: _Row | None) -> None:
        if row is None:
            self.findings.add("not_in_index", where, "the index does not list it")
            return
        start, end = members[0].header, members[-1].next
        if (row.offset, row.length) != (start, end - start):
            told = f"{row.length} bytes from {row.offset} on"
            self.findings.add(
                "wrong_offset", where, f"it has {end - start} bytes from {start} on, the index says {told}"
            )

    def _check_record(self, where: str, data: bytes | None, row: _Row | None) -> Specimen | None:
        if data is None:
            self.findings.add("bad_record", where, "the sample has no record (json)")
            return None
        try:
            specimen = parse_record(data)
        except ShardError as error:
            self.findings.add("bad_record", where, str(error))
            return None
        if row is not None and specimen.id != row.id:
            self.findings.add("wrong_id", where, f"the record is of '{specimen.id}', the index says '{row.id}'")
        if row is not None and specimen.taxon != row.taxon:
            self._add_taxon(where, specimen, row.taxon)
        elif not specimen.has_name:
            self.findings.add("unnamed", where, f"'{specimen.id}' has no name; training skips it", skipped=False)
        return specimen

    def _add_taxon(self, where: str, specimen: Specimen, taxon: Taxon) -> None:
        told = taxon.scientific_name or " ".join(filter(None, taxon.ranks)) or "nothing"
        if taxon.scientific_name and not specimen.taxon.scientific_name:
            message = f"the record of '{specimen.id}' has no species, the index says {told}"
            self.findings.add("record_without_species", where, message)
        else:
            self.findings.add("wrong_taxon", where, f"the index says {told}, the record of '{specimen.id}' does not")
