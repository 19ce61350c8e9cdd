"""`python -m clipbio convert`: shards in another project's layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from clipbio.config import instantiate
from clipbio.data.roots import local_folder
from clipbio.data.shards import resolve

__all__ = ["convert_shards"]


def convert_shards(config: Mapping[str, Any]) -> None:
    """Write another layout and print what was kept.

    Args:
        config: Plain resolved config of `conf/convert.yaml`.
    """
    out = local_folder(config["out"], "out")
    export = instantiate(config["to"], "to")
    folder = resolve(config["root"], local_folder(config["cache_dir"], "cache_dir"))
    table = Table("split", "specimens", title=f"written to {out}", title_justify="left")
    for name, count in export.write(folder, out).items():
        table.add_row(name, f"{count:,}")
    console = Console()
    console.print(table)
    for kind, count in export.defects.counts.items():
        console.print(f"{kind}: {count}, for example {export.defects.of(kind)[0]}", markup=False, soft_wrap=True)
