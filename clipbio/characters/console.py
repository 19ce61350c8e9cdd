"""What is told of a picture, for the console."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clipbio.characters.described import PictureText

__all__ = ["show"]

_BAR, _FULL = 16, "█"
_OTHERS = 1
_PARTS = " ▏▎▍▌▋▊▉"
_NOTHING = "Nothing is sure enough to be told."


def show(one: PictureText, console: Console) -> None:
    """Print the sentence, each character with a bar, and the nearest descriptions.

    What is too unsure to be told is dim and has a question mark.
    """
    console.print(f"[bold]{escape(Path(one.picture).name)}[/bold]", highlight=False)
    console.print(escape(one.sentence or _NOTHING), highlight=False)
    if one.caption:
        console.print(escape(f"caption, written and not checked: {one.caption}"), highlight=False)
    table = Table("character", "state", "", "%", "or", box=SIMPLE_HEAD, pad_edge=False)
    table.columns[3].justify = "right"
    for prediction in one.predictions:
        state, share = prediction.state, prediction.confidence
        other = ", ".join(f"{name} {100 * value:.0f}" for name, value in prediction.alternatives[:_OTHERS])
        style = "" if prediction.answered else "dim"
        told = state if prediction.answered else f"{state} ?"
        cells = (prediction.character, told, _bar(share), f"{100 * share:.0f}", other)
        table.add_row(*map(escape, cells), style=style)
    console.print(table)
    for near in one.nearest:
        told = f"nearest description, {near.cosine:.2f}: {near.written.species}: {near.written.text}"
        console.print(escape(told), highlight=False)
    console.print()


def _bar(share: float) -> str:
    eighths = round(8 * _BAR * share)
    return (_FULL * (eighths // 8) + _PARTS[eighths % 8]).rstrip()
