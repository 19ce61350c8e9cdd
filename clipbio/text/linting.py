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
        unnameable: things that nothing names.
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


def lint(nameds: Iterable[Named], regime: TextRegime, tokenize: Tokenize, *, draws: int = 4) -> LintReport:
    """Look at the captions that `regime` gives to `nameds`, one text type after the other.

    Nothing is assumed about the tokenizer but that equal texts give equal rows: a caption counts as truncated when
    further words leave its tokens as they are, hence also when it fills the window exactly.

    Args:
        nameds: specimens, or better one thing per species.
        regime: how they are called.
        tokenize: from texts to one row of token ids each, padded to one width.
        draws: captions drawn for each thing where the regime draws at all (templates, parts of descriptions).
    """
    things = list(nameds)
    return LintReport(tuple(_lint_type(things, regime, text_type, tokenize, draws) for text_type in regime.types))


def _lint_type(things: list[Named], regime: TextRegime, text_type: str, tokenize: Tokenize, draws: int) -> LintRow:
    bearers: dict[str, set[str]] = defaultdict(set)
    fallbacks: set[str] = set()
    everyone: set[str] = set()
    unnameable = 0
    for thing in things:
        species = _species(thing)
        try:
            drawn = {regime.draw_as(thing, text_type, sample_seed=seed) for seed in range(draws)}
        except Unnameable:
            unnameable += 1
            continue
        everyone.add(species)
        for rendered in drawn:
            bearers[rendered.text].add(species)
        if any(rendered.type != text_type for rendered in drawn):
            fallbacks.add(species)
    tokens, truncated = _tokens(list(bearers), tokenize)
    groups: dict[bytes, set[str]] = defaultdict(set)
    for text, row in tokens.items():
        groups[row] |= bearers[text]
    shared = {row: group for row, group in groups.items() if len(group) > 1}
    return LintRow(
        text_type=text_type,
        species=len(everyone),
        texts=len(bearers),
        truncated=len(truncated),
        colliding=len(set().union(*shared.values())),
        largest_group=max(map(len, groups.values()), default=0),
        fallbacks=len(fallbacks),
        unnameable=unnameable,
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


def _tokens(texts: list[str], tokenize: Tokenize) -> tuple[dict[str, bytes], list[str]]:
    """Return the tokens of each text without their padding, and the texts that fill the window."""
    tokens, truncated = {}, []
    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        # Together, because some tokenizers pad to the longest text of a call.
        rows = np.asarray(tokenize([*chunk, *(text + _PROBE for text in chunk)]), dtype=np.int64)
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
