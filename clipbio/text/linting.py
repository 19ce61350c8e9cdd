"""Find captions that teach nothing: cut by the tokenizer, shared by several species, or the same for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from clipbio.text.regime import TextRegime
from clipbio.text.rendering import Named, Unnameable

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LintReport", "LintRow", "lint"]

Tokenize = Callable[[Sequence[str]], "Tensor"]

# More words than any window holds back: if they change nothing, the window was full before them.
_PROBE = " and one more word"
_CHUNK = 512


@dataclass(frozen=True)
class LintRow:
    """What was found for one text type.

    Args:
        text_type: the text type asked for.
        species: how many species were looked at.
        texts: how many distinct captions they have.
        truncated: captions that fill the window of the tokenizer, so that more text would not be seen.
        colliding: species that share a caption, as tokens, with another species.
        largest_group: most species under one caption.
        fallbacks: species called by another text type, for want of this one.
        unnameable: things that nothing names, each combination of texts counted once.
        examples: one caption of each defect, with the species that bear it.
    """

    text_type: str
    species: int
    texts: int
    truncated: int
    colliding: int
    largest_group: int
    fallbacks: int
    unnameable: int
    examples: tuple[str, ...] = field(default=())

    @property
    def constant(self) -> bool:
        """Tell whether several species all have one caption."""
        return self.species > 1 and self.largest_group == self.species

    @property
    def is_clean(self) -> bool:
        """Tell whether no caption is cut, shared or missing."""
        return not (self.truncated or self.colliding or self.unnameable)


@dataclass(frozen=True)
class LintReport:
    """The findings for each text type of a regime."""

    findings: tuple[LintRow, ...]

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing was found; fallbacks are no defect."""
        return all(row.is_clean for row in self.findings)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return one row of a table per text type."""
        names = [field.name for field in fields(LintRow)]
        return [{name: getattr(row, name) for name in names} | {"constant": row.constant} for row in self.findings]


@dataclass
class _Captions:
    """What was seen so far of one text type."""

    text_type: str
    bearers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    species: set[str] = field(default_factory=set)
    fallbacks: set[str] = field(default_factory=set)
    unnameable: int = 0

    def add(self, thing: Named, regime: TextRegime, draws: int) -> None:
        species = _species(thing)
        try:
            drawn = {regime.draw_as(thing, self.text_type, sample_seed=seed) for seed in range(draws)}
        except Unnameable:
            self.unnameable += 1
            return
        self.species.add(species)
        for rendered in drawn:
            self.bearers[rendered.text].add(species)
        if any(rendered.type != self.text_type for rendered in drawn):
            self.fallbacks.add(species)


def lint(
    nameds: Iterable[Named], regime: TextRegime, tokenize: Tokenize, context_length: int, *, draws: int = 4
) -> LintReport:
    """Look at the captions that `regime` gives to `nameds`, one text type after the other.

    Nothing is assumed about the tokenizer but that equal texts give equal rows: a caption counts as truncated when
    further words leave its tokens as they are, hence also when it fills the window exactly.

    Args:
        nameds: specimens or species, read once; those with the same names and texts are looked at once.
        regime: how they are called.
        tokenize: from texts to one row of token ids each, padded to one width.
        context_length: tokens that the model reads, should the tokenizer give more.
        draws: captions drawn for each thing where the regime draws at all (templates, parts of descriptions).
    """
    captions = [_Captions(text_type) for text_type in regime.types]
    seen = set()
    for thing in nameds:
        names = (thing.taxon, thing.common_names, thing.descriptions, thing.label)
        if names in seen:
            continue
        seen.add(names)
        for each in captions:
            each.add(thing, regime, draws)
    return LintReport(tuple(_finding(each, tokenize, context_length) for each in captions))


def _finding(captions: _Captions, tokenize: Tokenize, context_length: int) -> LintRow:
    tokens, truncated = _tokens(list(captions.bearers), tokenize, context_length)
    groups: dict[bytes, set[str]] = defaultdict(set)
    for text, row in tokens.items():
        groups[row] |= captions.bearers[text]
    shared = {row: group for row, group in groups.items() if len(group) > 1}
    return LintRow(
        text_type=captions.text_type,
        species=len(captions.species),
        texts=len(tokens),
        truncated=len(truncated),
        colliding=len(set().union(*shared.values())),
        largest_group=max(map(len, groups.values()), default=0),
        fallbacks=len(captions.fallbacks),
        unnameable=captions.unnameable,
        examples=tuple(_examples(truncated, tokens, shared)),
    )


def _examples(truncated: list[str], tokens: dict[str, bytes], shared: dict[bytes, set[str]]) -> Iterator[str]:
    if truncated:
        yield f"truncated: {max(truncated, key=len)}"
    if shared:
        row, group = max(shared.items(), key=lambda item: (len(item[1]), item[0]))
        text = next(text for text, other in tokens.items() if other == row)
        names = sorted(group)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"shared by {', '.join(names[:3])}{more}: {text}"


def _tokens(texts: list[str], tokenize: Tokenize, context_length: int) -> tuple[dict[str, bytes], list[str]]:
    """Return the tokens of each text without their padding, and the texts that fill the window."""
    tokens, truncated = {}, []
    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        # Together, because some tokenizers pad to the longest text of a call.
        rows = np.asarray(tokenize([*chunk, *(text + _PROBE for text in chunk)]), dtype=np.int64)[:, :context_length]
        for text, row, probed in zip(chunk, rows[: len(chunk)], rows[len(chunk) :], strict=True):
            tokens[text] = _without_padding(row).tobytes()
            if np.array_equal(row, probed):
                truncated.append(text)
    return tokens, truncated


def _without_padding(row: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Cut the run of equal tokens at the end of a row, be it padding or one end mark."""
    different = np.flatnonzero(row != row[-1])
    return row[: different[-1] + 1] if len(different) else row[:1]


def _species(thing: Named) -> str:
    """Name what must not share a caption: the species with its kingdom, else the label, else the lineage."""
    taxon = thing.taxon
    if taxon.scientific_name:
        return f"{taxon.scientific_name} ({taxon.kingdom})" if taxon.kingdom else taxon.scientific_name
    return thing.label.strip() or " ".join(name for name in taxon.ranks if name)
