"""`python -m clipbio lint`: what a text regime does to the species of a table, as a model's tokenizer sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clipbio.config import instantiate
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.models import TextTrunk
from clipbio.tasks.building import build_model
from clipbio.tasks.parts import build_data
from clipbio.text import lint

__all__ = ["lint_texts"]


def lint_texts(config: Mapping[str, Any]) -> None:
    """Print truncation, collisions and constant texts per text type.

    Args:
        config: Plain resolved config of `conf/lint.yaml`.
    """
    data = build_data(config, World())
    regime = instantiate(config["text"], "text")
    trunk = build_model(config, load_weights=False).tower("text").trunk
    if not isinstance(trunk, TextTrunk):
        raise ClipbioError("the tower 'text' of the model does not encode texts")
    specimens = (split.index.read(int(row), image=False) for split in data.splits.values() for row in split.rows)
    report = lint(specimens, regime, trunk.tokenizer, trunk.context_length)
    rows = report.rows
    table = Table(*(name.replace("_", " ") for name in rows[0] if name != "examples"))
    for row in rows:
        table.add_row(*(str(value) for name, value in row.items() if name != "examples"))
    console = Console()
    console.print(table)
    for row in rows:
        for example in row["examples"]:
            console.print(Text(f"{row['text_type']}: {example}"))
