"""The texts that stand for a class, and the one unit vector they make together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.benchmark import EncodeText
from clipbio.evaluation.embeddings import Candidate, Candidates
from clipbio.progress import progress_bar
from clipbio.sentences import split_sentences
from clipbio.text import PROSE, TEXT_TYPES, MissingRanks, Unnameable, render, templates

__all__ = [
    "ClassTexts",
    "ClassVectors",
    "PromptStyle",
    "class_prototypes",
    "class_texts",
    "class_vectors",
    "encode_unit",
    "prompt_sets",
]

_PROMPTS_AT_ONCE = 4096
# Prompts from which on a person would wonder how long it takes.
_WORTH_A_BAR = 50_000


@dataclass(frozen=True)
class PromptStyle:
    """How a text type becomes prompts.

    Args:
        text_type: one of `TEXT_TYPES`.
        template: name of a template set, one template, or a list of templates.
        missing_ranks: what taxonomic text does with a missing rank.
        sentences: use the sentences of a description one by one, for towers whose context a description overflows.
    """

    text_type: str
    template: str | Sequence[str] = "photo"
    missing_ranks: MissingRanks = "skip"
    sentences: bool = False

    def __post_init__(self) -> None:
        if self.text_type not in TEXT_TYPES:
            raise ClipbioError(f"unknown text type '{self.text_type}'{nearest(self.text_type, TEXT_TYPES)}")
        templates(self.template)


def prompt_sets(template: str | Sequence[str]) -> dict[str, str | Sequence[str]]:
    """Return the prompt sets to compare by name: several only where a list names sets instead of templates."""
    if not isinstance(template, str) and template and all("{}" not in str(one) for one in template):
        return {str(one): str(one) for one in template}
    return {"": template}


@dataclass(frozen=True)
class ClassTexts:
    """Every prompt of a list of classes in one row, the class of each prompt, and which classes lack the text type."""

    texts: tuple[str, ...]
    class_T: Tensor
    fallback_C: Tensor

    def __len__(self) -> int:
        return len(self.texts)


def _variants(candidate: Candidate, style: PromptStyle) -> list[Candidate]:
    """Return one copy of the class per description, so that each is rendered alone."""
    if style.text_type not in PROSE or not candidate.descriptions:
        return [candidate]
    texts = candidate.descriptions
    if style.sentences:
        texts = tuple(sentence for text in texts for sentence in split_sentences(text)) or texts
    return [replace(candidate, descriptions=(text,)) for text in texts]


def _prompts(candidate: Candidate, style: PromptStyle) -> tuple[list[str], bool]:
    """Return the distinct prompts of a class, and whether another text type had to stand in."""
    proper: dict[str, None] = {}
    stand_in: dict[str, None] = {}
    for variant in _variants(candidate, style):
        try:
            name = render(variant, style.text_type, template="{}", missing_ranks=style.missing_ranks)
        except Unnameable:
            name = None
        kept = proper if name is not None and name.type == style.text_type else stand_in
        # Descriptions are prose: no template goes round them.
        forms = ("{}",) if name is not None and name.type in PROSE else templates(style.template)
        kept |= dict.fromkeys(form.replace("{}", name.text if name is not None else candidate.name) for form in forms)
    return list(proper or stand_in), not proper


def class_texts(candidates: Iterable[Candidate], style: PromptStyle) -> ClassTexts:
    """Render every class. A class that lacks the text type gets what `render` falls back to, and is marked."""
    texts: list[str] = []
    owners: list[int] = []
    fallbacks: list[bool] = []
    for position, candidate in enumerate(candidates):
        prompts, fallback = _prompts(candidate, style)
        texts += prompts
        owners += [position] * len(prompts)
        fallbacks.append(fallback)
    return ClassTexts(tuple(texts), torch.tensor(owners, dtype=torch.long), torch.tensor(fallbacks, dtype=torch.bool))


def encode_unit(texts: Sequence[str], encode_text: EncodeText) -> Tensor:
    """Encode texts, each distinct one once, as unit vectors_TD on the CPU."""
    distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    vectors = functional.normalize(encode_text(list(distinct)).detach().float().cpu(), dim=-1)
    return vectors[torch.tensor([distinct[text] for text in texts], dtype=torch.long)]


def class_prototypes(texts: ClassTexts, encode_text: EncodeText) -> Tensor:
    """Return prototypes_CD: every prompt's vector normalised, their mean per class, normalised again.

    The protocol of CLIP and CLIP_benchmark; the prompts of a class are all its templates times all its descriptions.
    """
    sums: Tensor | None = None
    for start in range(0, len(texts), _PROMPTS_AT_ONCE):
        rows = slice(start, start + _PROMPTS_AT_ONCE)
        vectors_TD = encode_unit(texts.texts[rows], encode_text)
        if sums is None:
            sums = torch.zeros(len(texts.fallback_C), vectors_TD.shape[1])
        sums.index_add_(0, texts.class_T[rows], vectors_TD)
    return torch.zeros(0, 0) if sums is None else functional.normalize(sums, dim=-1)


class ClassVectors(NamedTuple):
    """The vector of each class, and which classes lack the text type."""

    prototypes_CD: Tensor
    fallback_C: Tensor


def class_vectors(candidates: Candidates, style: PromptStyle, encode_text: EncodeText) -> ClassVectors:
    """Render and encode some classes at a time: the prompts of all are never in memory together.

    Half a million classes with 81 templates are 40 million prompts; above 50 000 a bar tells how far it is.
    """
    count = len(templates(style.template))
    at_once = max(1, _PROMPTS_AT_ONCE // count)
    vectors_CD, fallback_C = torch.zeros(0, 0), torch.zeros(len(candidates), dtype=torch.bool)
    with progress_bar(enabled=len(candidates) * count > _WORTH_A_BAR) as bar:
        task = bar.add_task(f"classes by {style.text_type}", total=len(candidates))
        for start in range(0, len(candidates), at_once):
            texts = class_texts(candidates.items[start : start + at_once], style)
            found_cD = class_prototypes(texts, encode_text)
            if not start:
                vectors_CD = torch.zeros(len(candidates), found_cD.shape[1])
            vectors_CD[start : start + at_once] = found_cD
            fallback_C[start : start + at_once] = texts.fallback_C
            bar.advance(task, len(found_cD))
    return ClassVectors(vectors_CD, fallback_C)
