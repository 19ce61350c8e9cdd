"""The forms in which a specimen asks or answers: image, DNA, its text, or what it has of them fused; and its labels.

Shape suffixes: N specimens, M rows of a form, R ranks, D dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText
from clipbio.evaluation.prompts import encode_unit
from clipbio.evaluation.specimens import Specimens
from clipbio.taxonomy import RANKS, stable_hash
from clipbio.text import MissingRanks, Named, Unnameable, clibd_name, clibd_text, render

__all__ = ["FORMS", "FUSED", "Form", "Protocol", "Texts", "Wording", "forms_of", "join", "labels_of", "own_of"]

logger = logging.getLogger(__name__)

Protocol = Literal["clipbio", "clibd"]
FORMS = ("image", "dna", "text", "fused")
# The text of a specimen is its label: fused with the rest, it would tell a query its own answer.
FUSED = ("image", "dna")


@dataclass(frozen=True)
class Form:
    """Unit vectors of those specimens that have this form, and the row of each among the specimens."""

    vectors_MD: Tensor
    row_M: Tensor

    def __len__(self) -> int:
        return len(self.row_M)


@dataclass(frozen=True)
class Wording:
    """How a record is named by a text."""

    text_type: str
    template: str
    missing_ranks: MissingRanks
    protocol: Protocol

    def __call__(self, named: Named) -> str | None:
        """Return the text of a record, None if nothing names it."""
        if self.protocol == "clibd":
            return self.template.replace("{}", clibd_text(named))
        try:
            return render(named, self.text_type, template=self.template, missing_ranks=self.missing_ranks).text
        except Unnameable:
            return None


class Texts:
    """Texts as unit vectors, each distinct one encoded once over all splits.

    Args:
        encode_text: Texts to unit vectors; where it says that the model reads no texts there are none.
        wording: The text of a record.
    """

    def __init__(self, encode_text: EncodeText, wording: Callable[[Named], str | None]) -> None:
        self.encode_text = encode_text
        self.wording = wording
        self._known: dict[str, Tensor] = {}
        self._silent = False

    def encode(self, texts: Sequence[str]) -> Tensor | None:
        """Return vectors_TD, None without a text tower."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new and not self._silent:
            try:
                self._known |= dict(zip(new, encode_unit(new, self.encode_text), strict=True))
            except ClipbioError as error:
                logger.warning("key_query: no texts are compared: %s", error)
                self._silent = True
        return None if self._silent or not texts else torch.stack([self._known[text] for text in texts])

    def form(self, specimens: Specimens) -> Form | None:
        """Return the texts of specimens, None if there are none."""
        texts = [self.wording(named) for named in specimens.named]
        rows = [row for row, text in enumerate(texts) if text is not None]
        vectors = self.encode([text for text in texts if text is not None])
        return None if vectors is None else Form(vectors, torch.tensor(rows, dtype=torch.long))


def forms_of(specimens: Specimens, texts: Texts | None) -> dict[str, Form]:
    """Return the forms that at least one specimen has; `fused` where the model knows at least two kinds to fuse."""
    kinds = [name for name in FUSED if name in specimens.vectors]
    forms = {name: _present(specimens, name) for name in kinds}
    text = texts.form(specimens) if texts is not None else None
    if text is not None:
        forms["text"] = text
    if len(kinds) > 1:
        forms["fused"] = _fused(specimens, kinds)
    return {name: form for name, form in forms.items() if len(form)}


def _present(specimens: Specimens, name: str) -> Form:
    row_M = specimens.present[name].nonzero()[:, 0].cpu()
    return Form(functional.normalize(specimens.vectors[name][row_M].float().cpu(), dim=1), row_M)


def _fused(specimens: Specimens, kinds: Sequence[str]) -> Form:
    """Return the mean of the unit vectors that a specimen has, normalised again."""
    has_N = torch.stack([specimens.present[name].cpu() for name in kinds]).any(dim=0)
    total_ND = torch.zeros(len(specimens), specimens.vectors[kinds[0]].shape[1])
    for name in kinds:
        one = _present(specimens, name)
        total_ND[one.row_M] += one.vectors_MD
    row_M = has_N.nonzero()[:, 0]
    return Form(functional.normalize(total_ND[row_M], dim=1), row_M)


def labels_of(specimens: Specimens, ranks: Sequence[str], protocol: Protocol) -> Tensor:
    """Return label_NR: lineage keys, -1 where unknown; names compared rank by rank for the published protocol.

    At species a record without a binomial takes its `label` if it has one (a provisional name), as classes do.
    """
    if protocol == "clibd":
        rows = [[stable_hash(rank, clibd_name(named, rank)) for rank in ranks] for named in specimens.named]
        return torch.tensor(rows, dtype=torch.long).reshape(len(specimens), len(ranks))
    label_NR = specimens.taxon_NR[:, [RANKS.index(rank) for rank in ranks]].cpu().clone()
    for column in [place for place, rank in enumerate(ranks) if rank == "species"]:
        for row in (label_NR[:, column] < 0).nonzero()[:, 0].tolist():
            if label := specimens.named[row].label:
                label_NR[row, column] = stable_hash("label", label)
    return label_NR


def own_of(specimens: Specimens) -> Tensor:
    """Return the individual of each specimen; one whose group is not known is an individual by itself."""
    own_N = specimens.group_N.cpu().clone()
    for row in (own_N < 0).nonzero()[:, 0].tolist():
        own_N[row] = stable_hash("specimen", specimens.ids[row])
    return own_N


def join(parts: Sequence[Specimens]) -> Specimens:
    """Return the specimens of several splits in one row order; a modality that a split lacks is absent there."""
    if len(parts) == 1:
        return parts[0]
    width = {name: one.shape[1] for part in parts for name, one in part.vectors.items()}
    return Specimens(
        ids=tuple(id_ for part in parts for id_ in part.ids),
        named=tuple(named for part in parts for named in part.named),
        vectors={name: _rows(parts, "vectors", name, (size,), torch.float32) for name, size in width.items()},
        present={name: _rows(parts, "present", name, (), torch.bool) for name in width},
        taxon_NR=torch.cat([part.taxon_NR for part in parts]),
        group_N=torch.cat([part.group_N for part in parts]),
    )


def _rows(parts: Sequence[Specimens], field: str, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    found: list[Tensor] = []
    for part in parts:
        tensors: Mapping[str, Tensor] = getattr(part, field)
        found.append(tensors[name] if name in tensors else torch.zeros(len(part), *shape, dtype=dtype))
    return torch.cat(found)
