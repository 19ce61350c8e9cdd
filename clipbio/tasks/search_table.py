"""Hits for the console."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from clipbio.search.results import DescriptionHit, Hit, Passage, Results, SpeciesHit

__all__ = ["hit_table"]

_WHAT = {"specimens": "specimen", "species": "best sheets", "descriptions": "specimens"}


def hit_table(results: Results) -> Table:
    """Return hits with score, name, places in the ranked lists and the best sentence, its words in bold."""
    table = Table(caption=f"{_shown(results)}; {results.engine}, {results.seconds:.2f} s")
    for name in ("", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    sentences = [_sentence(hit) for hit in results.hits]
    # A query without words has no sentences to show.
    shown_sentences = ("sentence",) if any(sentences) else ()
    for name in ("name", _WHAT[results.show], "places", *shown_sentences):
        table.add_column(name, overflow="fold")
    for hit, sentence in zip(results.hits, sentences, strict=True):
        cells = [*map(Text, (_name(hit), _what(hit), _places(hit))), *([sentence] if shown_sentences else [])]
        table.add_row(str(hit.rank), f"{hit.score:.4g}", *cells)
    return table


def _shown(results: Results) -> str:
    if results.hits:
        return f"{results.offset + 1:,} to {results.offset + len(results.hits):,} of {results.total:,}"
    return f"no hits on this page, {results.total:,} in all" if results.total else "nothing fits"


def _places(hit: Hit) -> str:
    return "\n".join(f"{name} {place}" for name, place in hit.lists.items())


def _name(hit: Hit) -> str:
    common = "" if isinstance(hit, DescriptionHit) else hit.common_name
    name = hit.name or "(no name)"
    return f"{name} ({common})" if common and common != name else name


def _what(hit: Hit) -> str:
    if isinstance(hit, DescriptionHit):
        return f"{hit.count:,}"
    if isinstance(hit, SpeciesHit):
        return f"{' '.join(sheet.id for sheet in hit.sheets)} (of {hit.count:,})"
    return hit.id


def _sentence(hit: Hit) -> Text:
    passage: Passage | None = hit.best if isinstance(hit, DescriptionHit) else hit.passage
    if passage is None:
        return Text("")
    text = Text(passage.text)
    for start, end in passage.spans:
        text.stylize("bold", start, end)
    return text
