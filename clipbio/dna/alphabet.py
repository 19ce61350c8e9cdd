"""The letters of barcodes: cleaning, codes for several bases, reverse complement."""

from __future__ import annotations

from typing import Literal

from Bio.Data.IUPACData import ambiguous_dna_values

from clipbio.errors import ClipbioError

__all__ = ["BASES", "CODES", "BadBarcode", "Gaps", "clean_barcode", "clean_bytes", "reverse_complement"]

Gaps = Literal["strip", "keep"]

BASES = "ACGT"
CODES: dict[str, str] = {
    code: "".join(sorted(bases)) for code, bases in ambiguous_dna_values.items() if code not in {*BASES, "X"}
}
"""The IUPAC codes for several bases, such as R for A or G, with their bases in the order of the alphabet."""

_SPACES = b" \t\r\n\v\f"
_GAPS = b"-."
_BAD = b"\0"
_MOST_SHOWN = 8


class BadBarcode(ClipbioError):  # noqa: N818 -- the word for it
    """A barcode with letters that are no nucleotides."""


def _table() -> bytes:
    """Map each byte to its clean form, or to zero."""
    table = bytearray(256)
    for letter in (*BASES, *CODES):
        table[ord(letter)] = table[ord(letter.lower())] = ord(letter)
    # BOLD and ape write ? for an unknown base; I is inosine, which pairs with any.
    for odd, clean in (("U", "T"), ("u", "T"), ("?", "N"), ("I", "N"), ("i", "N"), ("-", "-"), (".", "-")):
        table[ord(odd)] = ord(clean)
    return bytes(table)


_CLEAN = _table()
_COMPLEMENT = str.maketrans("ACGTUKMBVDHacgtukmbvdhRYry", "TGCAAMKVBHDtgcaamkvbhdYRyr")


def clean_bytes(sequence: str, *, gaps: Gaps = "strip") -> bytes:
    """Return a barcode as upper case ASCII, see `clean_barcode`."""
    if not sequence.isascii():
        raise BadBarcode(_complaint(sequence))
    clean = sequence.encode().translate(_CLEAN, _SPACES + _GAPS if gaps == "strip" else _SPACES)
    if _BAD in clean:
        raise BadBarcode(_complaint(sequence))
    return clean


def clean_barcode(sequence: str, *, gaps: Gaps = "strip") -> str:
    """Return a barcode in upper case: U becomes T, `?` and inosine N; white space goes, IUPAC codes stay.

    Args:
        sequence: DNA or RNA as it was published, aligned or not.
        gaps: Whether `-` and `.` are left out, or kept as `-`: the columns of an alignment.

    Raises:
        BadBarcode: If a letter is no nucleotide, as in a protein.
    """
    return clean_bytes(sequence, gaps=gaps).decode()


def reverse_complement(sequence: str) -> str:
    """Return the other strand, read in its own direction; IUPAC codes are complemented, all else stays what it is."""
    return sequence.translate(_COMPLEMENT)[::-1]


def _complaint(sequence: str) -> str:
    """Say in one line what is wrong with a sequence."""
    odd = sorted({letter for letter in sequence if ord(letter) > 127 or not _known(letter)})
    shown = ", ".join(repr(letter) for letter in odd[:_MOST_SHOWN]) + (", ..." if len(odd) > _MOST_SHOWN else "")
    start = " ".join(sequence[:30].split())
    # No nucleotide code: E F J L O P Q X Z; these six are amino acids.
    like = " and reads like a protein" if {letter.upper() for letter in odd} & set("EFLPQ") else ""
    return f"'{start}...' holds {shown}{like}; a barcode is a sequence of nucleotides (ACGTU, IUPAC codes, gaps)"


def _known(letter: str) -> bool:
    return _CLEAN[ord(letter)] != 0 or letter.encode() in _SPACES
