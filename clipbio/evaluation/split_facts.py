"""What a split was when it was measured: counts, and hashes of its specimens and classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from clipbio.evaluation.embeddings import Candidates, SplitData

__all__ = ["SplitFacts", "hash_lines", "split_facts"]


@dataclass(frozen=True)
class SplitFacts:
    """Figures of two evaluations can be compared where `ids_hash` and `classes_hash` are the same.

    `unnamed` images have no class. `classes_hash` is of names and lineages, `texts_hash` of every text by which a
    class may be called.
    """

    specimens: int
    images: int
    unnamed: int
    classes: int
    ids_hash: str
    classes_hash: str
    texts_hash: str


def split_facts(data: SplitData) -> SplitFacts:
    """Return what a split is."""
    ids = data.images.ids if data.specimens is None else data.specimens.ids
    return SplitFacts(
        specimens=len(ids),
        images=len(data.images),
        unnamed=data.skipped,
        classes=len(data.classes),
        ids_hash=hash_lines(sorted(ids)),
        classes_hash=hash_lines("\t".join((one.name, one.label, *one.taxon.ranks)) for one in data.classes),
        texts_hash=hash_lines(_texts(data.classes)),
    )


def _texts(classes: Candidates) -> Iterable[str]:
    for one in classes:
        yield "\t".join((one.name, *one.common_names, "", *one.descriptions))


def hash_lines(lines: Iterable[str]) -> str:
    """Return a short SHA-256 of lines, in their order."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()[:16]
