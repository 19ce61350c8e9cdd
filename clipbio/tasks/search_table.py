"""Hits for the console."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from clipbio.search.results import DescriptionHit, Hit, Passage, Results, SpeciesHit

__all__ = ["hit_table"]

_WHAT = {"specimens": "specimen", "species": "best sheets", "descriptions": "specimens"}


def hit_table(results: Results) -> Table:
    """Return hits with score, name, places in the ranked lists and the best sentence, its words in bold."""
    last = results.offset + len(results.hits)
    shown = f"{results.offset + 1:,} to {last:,} of {results.total:,}" if results.hits else "nothing fits"
    table = Table(caption=f"{shown}; {results.engine}, {results.seconds:.2f} s")
    for name in ("", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("name", _WHAT[results.show], "places", "sentence"):
        table.add_column(name, overflow="fold")
    for hit in results.hits:
        cells = (_name(hit), _what(hit), "\n".join(f"{name} {place}" for name, place in hit.lists.items()))
        table.add_row(str(hit.rank), f"{hit.score:.4g}", *map(Text, cells), _sentence(hit))
    return table


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
