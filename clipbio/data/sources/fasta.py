"""FASTA: barcodes without a table, their names in the header lines."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from Bio.SeqIO.FastaIO import SimpleFastaParser

from clipbio.data.defects import Defects
from clipbio.data.sources.archive import find_export
from clipbio.data.sources.cells import has_bases
from clipbio.data.sources.delimited import READ_ERRORS, check_encoding
from clipbio.data.sources.fasta_headers import HEADERS, Header, HeaderName, header_form, read_header
from clipbio.data.sources.records import Ids
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.dna import BadBarcode, clean_barcode
from clipbio.errors import ClipbioError, nearest
from clipbio.taxonomy import RANKS

__all__ = ["FastaSource"]

logger = logging.getLogger(__name__)

_SUFFIXES = (".fasta", ".fas", ".fa", ".fna", ".txt")


class FastaSource:
    """Read barcodes and what their header lines tell.

    Args:
        root: The file, plain or gzipped, or the folder or zip file that holds it.
        header: Layout of the headers, see `read_header`; `auto` takes that of the first one.
        marker: Marker whose sequences are read from headers of BOLD; None reads all, and an id is then
            `PROCESSID.MARKER`.
        levels: Ranks of a lineage without letters, from left to right; null leaves a name out.
        encoding: Encoding of the file.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        header: HeaderName | Literal["auto"] = "auto",
        marker: str | None = "COI-5P",
        levels: Sequence[str | None] = RANKS,
        encoding: str = "utf-8",
    ) -> None:
        if header not in (*HEADERS, "auto"):
            raise ClipbioError(f"header={header}: there is no such layout{nearest(header, (*HEADERS, 'auto'))}")
        for rank in levels:
            if rank is not None and rank not in RANKS:
                raise ClipbioError(f"levels names the unknown rank '{rank}'{nearest(str(rank), RANKS)}")
        if not Path(root).exists():
            raise ClipbioError(f"{root} is not there; give the FASTA file, or the folder or zip file that holds it")
        self.marker, self.levels, self.defects = marker, tuple(levels), Defects()
        self._name, self._open = find_export(Path(root), _SUFFIXES)
        self._header, self._encoding = header, check_encoding(encoding)

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        ids, others = Ids(self.defects), 0
        form: HeaderName | None = None if self._header == "auto" else self._header
        for number, (title, sequence) in enumerate(self._records(), start=1):
            form = form or header_form(title)
            header, where = read_header(title, form, self.levels), f"{self._name} record {number}"
            if self.marker and header.marker and header.marker.upper() != self.marker.upper():
                others += 1
            elif self._is_sound(sequence, where) and ids.claim(identity := self._identity(header, form, number), where):
                yield _specimen(identity, header, sequence)
        if others:
            logger.info("%s: %d sequences of other markers than %s left out", self._name, others, self.marker)

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield nothing: FASTA holds no texts of species."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash the settings and the content of the file."""
        settings = (self._header, self.marker, self.levels, self._encoding)
        digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
        with self._open() as file:
            while block := file.read(2**20):
                digest.update(block)
        return digest.hexdigest()

    def _records(self) -> Iterator[tuple[str, str]]:
        """Yield header and sequence; a text file may mix line ends."""
        number = 0
        try:
            with self._open() as raw, io.TextIOWrapper(raw, self._encoding) as lines:
                for record in SimpleFastaParser(lines):
                    number += 1
                    yield record
        except READ_ERRORS as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            advice = "; give another source.encoding" if isinstance(error, UnicodeError) else ""
            told = f"{self._name}: after record {number} it cannot be read ({reason}){advice}"
            raise ClipbioError(told) from error
        if not number:
            raise ClipbioError(f"{self._name} holds no sequence: no line begins with '>'; is it FASTA?")

    def _identity(self, header: Header, form: HeaderName, number: int) -> str:
        if form == "lineage" and not header.id:
            return f"{Path(self._name).name.split('.')[0]}_{number}"
        return f"{header.id}.{header.marker}" if header.id and header.marker and not self.marker else header.id

    def _is_sound(self, sequence: str, where: str) -> bool:
        if not sequence:
            self.defects.add("no_image_no_dna", where, "the header has no sequence")
            return False
        try:
            clean_barcode(sequence)
        except BadBarcode as error:
            self.defects.add("bad_barcode", where, str(error))
            return False
        if not has_bases(sequence):
            self.defects.add("no_image_no_dna", where, "the sequence is gaps and unknown bases alone")
            return False
        return True


def _specimen(identity: str, header: Header, sequence: str) -> Specimen:
    return Specimen(identity, header.taxon, label=header.label, dna=sequence, metadata=header.metadata)
