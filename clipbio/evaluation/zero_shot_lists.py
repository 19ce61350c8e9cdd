"""Which classes the images of a split may be placed in: those of the split, of the whole table, or of a list."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import Candidates, SplitData

__all__ = ["ClassList", "check_candidates", "class_lists"]

logger = logging.getLogger(__name__)

_CHOICES = ("split", "all", "both")
_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


@dataclass(frozen=True)
class ClassList:
    """Classes by the name under which their figures stand.

    `row_N` are the images that are judged and `class_N` their classes; `outside` counts those of classes not listed.
    """

    split: str
    candidates: Candidates
    row_N: Tensor
    class_N: Tensor
    outside: int = 0


def check_candidates(candidates: str) -> None:
    """Refuse what is no choice and no file.

    Raises:
        ClipbioError: With the closest choice, or the file that is not there.
    """
    if not candidates.endswith(_SUFFIXES):
        check_choices("zero_shot", "candidates", [candidates], _CHOICES)
    elif not Path(candidates).expanduser().is_file():
        raise ClipbioError(f"benchmark zero_shot: candidates={candidates}: there is no such file")


def class_lists(data: SplitData, candidates: str) -> tuple[Candidates, list[ClassList]]:
    """Return the widest list, and each that is asked for, whose classes are among the widest with the same texts."""
    if candidates.endswith(_SUFFIXES):
        path = Path(candidates).expanduser()
        listed = _read(path)
        stem = path.name.split(".")[0]
        return listed, [_joined(f"{data.split}@{stem}", listed, data)]
    lists = [] if candidates == "all" else [_joined(data.split, data.classes, data)]
    if candidates != "split" and data.wider is not None:
        lists.append(_joined(f"{data.split}@all", data.wider, data))
    if candidates != "split" and data.wider is None:
        logger.warning("zero_shot: the classes of the whole table are not known, no %s@all", data.split)
    return max((one.candidates for one in lists), key=len, default=data.classes), lists


def _joined(name: str, candidates: Candidates, data: SplitData) -> ClassList:
    place_C = torch.tensor([candidates.index.get(one.key, -1) for one in data.classes], dtype=torch.long)
    class_N = place_C[data.images.class_N]
    row_N = (class_N >= 0).nonzero()[:, 0]
    outside = len(class_N) - len(row_N)
    if outside:
        logger.warning("zero_shot: %s: %d of %d images are of classes not listed", name, outside, len(class_N))
    return ClassList(name, candidates, row_N, class_N[row_N], outside)


@cache
def _read(path: Path) -> Candidates:
    """Return the taxa of a table, read once: a validation asks for them again and again."""
    from clipbio.data.sources.taxa import read_taxa  # late: it brings every format of tables along

    try:
        listed = Candidates.from_named(read_taxa(path))
    except ClipbioError as error:
        raise ClipbioError(f"benchmark zero_shot: candidates: {error}") from error
    if not len(listed):
        raise ClipbioError(f"benchmark zero_shot: candidates={path}: no row names a taxon")
    return listed
