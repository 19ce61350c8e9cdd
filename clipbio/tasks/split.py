"""`python -m clipbio split`: the split of a source as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from clipbio.data.roots import local_folder
from clipbio.data.splitting.published import write_split_table
from clipbio.errors import ClipbioError
from clipbio.tasks.asked import flag
from clipbio.tasks.sources import build_source

__all__ = ["split_source"]


def split_source(config: Mapping[str, Any]) -> None:
    """Write which specimen stands in which split, and print how much there is of each.

    Args:
        config: Plain resolved config of `conf/split.yaml`.
    """
    overwrite, out = flag(config["overwrite"], "overwrite"), local_folder(config["out"], "out")
    source = build_source(config)
    if out.exists() and not overwrite:
        raise ClipbioError(f"{out} is there already; give another out=, or overwrite=true to replace it")
    counts = write_split_table(source, out)
    table = Table(
        "split", "specimens", "groups", "species", "barcodes", title=f"written to {out}", title_justify="left"
    )
    for name, one in counts.items():
        numbers = (one.specimens, len(one.groups), len(one.species), len(one.barcodes))
        table.add_row(name, *(f"{number:,}" for number in numbers))
    console = Console()
    console.print(table)
    for kind, count in source.defects.counts.items():
        console.print(f"{kind}: {count}, for example {source.defects.of(kind)[0]}", markup=False, soft_wrap=True)
