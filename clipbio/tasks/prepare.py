"""`python -m clipbio prepare`: a source becomes a shard folder, at once or in parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from clipbio.data.manifest import Manifest
from clipbio.data.prepare import merge_parts, prepare, prepare_part
from clipbio.data.roots import local_folder
from clipbio.data.sources import Source
from clipbio.errors import ClipbioError
from clipbio.tasks.asked import whole_number
from clipbio.tasks.sources import build_source

__all__ = ["prepare_shards"]


def prepare_shards(config: Mapping[str, Any]) -> None:
    """Write shards, or a part of them, and print what was kept.

    Args:
        config: Plain resolved config of `conf/prepare.yaml`.
    """
    out, parts = local_folder(config["out"], "out"), whole_number(config["parts"], "parts")
    source = build_source(config)
    numbers, merge = _asked_for(config["part"], parts)
    if numbers == [0] and merge and parts == 1:
        manifest = prepare(source, out, overwrite=config["overwrite"], progress=config["progress"], **config["options"])
        _show(manifest, source, out)
        return
    for number in numbers:
        prepare_part(source, out, number, parts, progress=config["progress"], **config["options"])
        Console().print(f"part {number} of {parts} is whole", highlight=False)
    if merge:
        _show(merge_parts(source, out, parts, overwrite=config["overwrite"]), source, out)


def _asked_for(part: Any, parts: int) -> tuple[list[int], bool]:
    """Return the numbers of the parts to write, and whether to put all of them together."""
    if part is None:
        return list(range(parts)), True
    if part == "merge":
        return [], True
    if not isinstance(part, int):
        raise ClipbioError(f"part={part} must be a number from 0 to {parts - 1}, 'merge', or null for everything")
    return [part], False


def _show(manifest: Manifest, source: Source, out: Path) -> None:
    console = Console()
    table = Table("split", "specimens", "shards", title=f"written to {out}", title_justify="left")
    for name, counts in manifest.splits.items():
        table.add_row(name, f"{counts['samples']:,}", f"{counts['shards']:,}")
    console.print(table)
    kept, lost = manifest.samples, source.defects.skipped
    console.print(f"{kept:,} of {kept + lost:,} records kept", highlight=False)
    for kind, count in source.defects.counts.items():
        told = "skipped" if source.defects.skips(kind) else "kept"
        first = source.defects.of(kind)[0]
        console.print(f"{kind}: {count} {told}, for example {first}", markup=False, highlight=False, soft_wrap=True)
