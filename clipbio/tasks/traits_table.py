"""Traits on the console: those of one text, or a table of what many descriptions gave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clipbio.traits import Described, Trait
from clipbio.traits.described import sentences_with_traits
from clipbio.traits.summary import Summary

__all__ = ["tell_summary", "tell_traits"]


def tell_traits(about: Described, traits: Sequence[Trait]) -> None:
    """Print each trait of one text, and how much of the text gave any."""
    console = Console()
    if traits:
        table = Table("character", "value", "more", "phrase", "characters")
        for trait in traits:
            place = f"{trait.start}-{trait.end}"
            table.add_row(*map(Text, (trait.character, trait.value, _more(trait), trait.phrase, place)))
        console.print(table)
    sentences, fruitful = sentences_with_traits(about.text, traits)
    console.print(f"{len(traits)} traits; {fruitful} of {sentences} sentences gave at least one", highlight=False)


def tell_summary(summary: Summary, out: Path, rows: int | None) -> None:
    """Print how many traits there are of each character, with examples, and where they were written."""
    console, found = Console(), summary.rows()
    table = Table("character", "traits", "taxa", "for example", title=f"written to {out}", title_justify="left")
    for row in found[:rows]:
        table.add_row(Text(row.character), f"{row.traits:,}", f"{row.taxa:,}", Text("; ".join(row.examples)))
    console.print(table)
    if rows is not None and len(found) > rows:
        console.print(f"and {len(found) - rows:,} more characters (rows=null shows all)", highlight=False)
    console.print(summary.line(), highlight=False, soft_wrap=True)


def _more(trait: Trait) -> str:
    told = [trait.shade, trait.sex, trait.stage, trait.side, "not so" if trait.negated else ""]
    extremes = [f"{bound:g}" for bound in (trait.minimum, trait.maximum) if bound is not None]
    return ", ".join(filter(None, [*told, f"extremes {' and '.join(extremes)}" if extremes else ""]))
