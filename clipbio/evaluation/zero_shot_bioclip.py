"""Zero-shot classification as the published code of BioCLIP (v1) and of BioCLIP 2 (v2) does it.

Shape suffixes: N images, C classes, D dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText
from clipbio.evaluation.embeddings import Candidate, Candidates, SplitData
from clipbio.evaluation.prompts import PromptStyle, class_vectors
from clipbio.evaluation.top_k import top_k
from clipbio.taxonomy import Taxon
from clipbio.text import MissingRanks, Named, Unnameable, render

__all__ = ["TOPS", "PublishedAnswers", "published_answers", "published_types"]

logger = logging.getLogger(__name__)

TOPS = (1, 3, 5)
_TYPES = ("label", "scientific", "taxonomic", "common", "scientific_common", "taxonomic_common")


@dataclass(frozen=True)
class PublishedAnswers:
    """The place of the target among the best five of each image (5 if it is not there), and the true class strings.

    `mislabelled` counts images whose given `class_idx` is not the place of their name, None where none is given.
    """

    place_N: Tensor
    names: tuple[str, ...]
    num_classes: int
    mislabelled: int | None = None


def published_types(text_types: Sequence[str], protocol: str) -> tuple[str, ...]:
    """Return the text types that the published code has.

    Raises:
        ClipbioError: It has none of them.
    """
    kept = tuple(name for name in text_types if name in _TYPES)
    if not kept:
        raise ClipbioError(
            f"benchmark zero_shot: protocol={protocol} has none of text_types=[{','.join(text_types)}]; "
            f"it has: {', '.join(_TYPES)}"
        )
    if left := [name for name in text_types if name not in kept]:
        logger.info("zero_shot: protocol=%s has no text type %s: left out", protocol, ", ".join(left))
    return kept


def published_answers(
    data: SplitData, text_type: str, encode_text: EncodeText, *, protocol: str, missing_ranks: MissingRanks = "skip"
) -> PublishedAnswers:
    """Classify the images of a split among its unique class strings, in order of first appearance.

    Two species of one common name are one class. The 81 templates are averaged as CLIP does. Of equal scores the first
    class wins, also where it is the right one. If every record has a `class_idx` in its metadata, `bioclip_v1` takes it
    for the target though the names stand in another order: where both differ, right answers count as wrong.
    """
    things = _named(data)
    strings = [_class_string(thing, text_type, missing_ranks) for thing in things]
    order = {name: number for number, name in enumerate(dict.fromkeys(strings))}
    own_N = torch.tensor([order[name] for name in strings], dtype=torch.long)
    given_N = _class_idx(things) if protocol == "bioclip_v1" else None
    target_N = own_N if given_N is None else given_N
    prototypes_CD = class_vectors(_classes(list(order)), PromptStyle("label", "bioclip_81"), encode_text).prototypes_CD
    found = top_k(data.images.vectors_ND, prototypes_CD, max(TOPS))
    hits_NK = found.top_NK == target_N[:, None]
    place_N = torch.where(hits_NK.any(dim=1), hits_NK.int().argmax(dim=1), max(TOPS))
    mislabelled = None if given_N is None else int((given_N != own_N).sum())
    if mislabelled:
        logger.warning("zero_shot: split %s: class_idx of %d images is not the place of their name, as bioclip_v1 "
                       "takes it: they count as wrong", data.split, mislabelled)  # fmt: skip
    return PublishedAnswers(place_N, tuple(strings), len(order), mislabelled)


def _named(data: SplitData) -> list[Named]:
    """Return the record of each image, or its class where records are not known."""
    known: dict[str, Named] = {}
    if data.specimens is not None:
        known = dict(zip(data.specimens.ids, data.specimens.named, strict=True))
    classes = data.images.class_N.tolist()
    return [known.get(id_, data.classes.items[number]) for id_, number in zip(data.images.ids, classes, strict=True)]


def _class_string(thing: Named, text_type: str, missing_ranks: MissingRanks) -> str:
    try:
        return render(thing, text_type, template="{}", missing_ranks=missing_ranks).text
    except Unnameable:
        return getattr(thing, "name", "") or "unknown"


def _classes(names: Sequence[str]) -> Candidates:
    return Candidates(tuple(Candidate(number, name, Taxon(), label=name) for number, name in enumerate(names)))


def _class_idx(things: Sequence[Named]) -> Tensor | None:
    """Return the given class numbers, None unless each record has one."""
    given = [str(getattr(thing, "metadata", {}).get("class_idx", "")).removesuffix(".0") for thing in things]
    if not all(one.isascii() and one.isdigit() for one in given):
        return None
    return torch.tensor([int(one) for one in given], dtype=torch.long)
