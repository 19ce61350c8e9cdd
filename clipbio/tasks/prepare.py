"""`python -m clipbio prepare`: a source becomes a shard folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from clipbio.data.prepare import prepare
from clipbio.data.roots import local_folder
from clipbio.tasks.sources import build_source

__all__ = ["prepare_shards"]


def prepare_shards(config: Mapping[str, Any]) -> None:
    """Write shards and print what was kept.

    Args:
        config: Plain resolved config of `conf/prepare.yaml`.
    """
    out = local_folder(config["out"], "out")
    source = build_source(config)
    manifest = prepare(source, out, overwrite=bool(config["overwrite"]), **config["options"])
    table = Table("split", "specimens", "shards", title=f"written to {config['out']}", title_justify="left")
    for name, counts in manifest.splits.items():
        table.add_row(name, f"{counts['samples']:,}", f"{counts['shards']:,}")
    console = Console()
    console.print(table)
    for kind, count in source.defects.counts.items():
        console.print(f"{kind}: {count}, for example {source.defects.of(kind)[0]}", markup=False, soft_wrap=True)
