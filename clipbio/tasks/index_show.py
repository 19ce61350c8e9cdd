"""What is in an index, and what was done with it, for people."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from clipbio.search.manifest import Manifest

__all__ = ["show_index", "tell"]

log = logging.getLogger(__name__)

_SHOWN = 12


def show_index(path: Path, manifest: Manifest) -> None:
    """Print it."""
    table = Table("", "", show_header=False, title=f"index {manifest.name}", title_justify="left")
    for name, value in _facts(path, manifest):
        table.add_row(name, value)
    Console().print(table)


def tell(done: str, out: Path, count: int, manifest: Manifest) -> None:
    """Log what was done to so many specimens, and how many there are."""
    log.info("%s %s: %s specimens, %s in all", done, out, f"{count:,}", f"{manifest.alive:,}")


def _facts(path: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    deleted = manifest.rows - manifest.alive
    yield "folder", str(path)
    yield "specimens", f"{manifest.alive:,}" + (f" ({deleted:,} deleted ones take room: compact)" if deleted else "")
    yield "vectors", _vectors(manifest)
    if manifest.texts is not None:
        facts = manifest.texts.facts
        yield "texts", f"{facts['descriptions']:,} descriptions, {facts['sentences']:,} sentences ({manifest.language})"
        traits = facts.get("traits")
        yield "traits", "none: made without, index again" if traits is None else f"{traits:,} in descriptions"
    yield "pictures", f"up to {manifest.picture_size} pixels" if manifest.picture_size else "none are kept"
    yield "model", str(manifest.model.get("name", "none"))
    for name, value in manifest.model.get("weights", {}).items():
        yield f"  {name}", value[:_SHOWN]
    for key, value in manifest.model.get("source", {}).items():
        yield f"  {key}", str(value.get("_target_", "")) if isinstance(value, dict) else str(value)
    yield from (("data", _data(one)) for one in manifest.data)
    yield "approximate search", _approximate(manifest)
    size = sum(file.bytes for piece in manifest.pieces for file in piece.files.values())
    yield "on disk", f"{size / 1e6:,.1f} MB in {len(manifest.parts)} parts"
    yield "made", f"{manifest.created}, changed {manifest.updated}"


def _vectors(manifest: Manifest) -> str:
    counts = {
        name: sum(int(part.facts["vectors"].get(name, 0)) for part in manifest.parts) for name in manifest.modalities
    }
    return ", ".join(f"{count:,} of {name}" for name, count in counts.items()) + f" in {manifest.dim} dimensions"


def _data(facts: Any) -> str:
    return f"{facts.get('name', '')} {facts.get('manifest', '')}: {', '.join(facts.get('splits', ()))}"


def _approximate(manifest: Manifest) -> str:
    if manifest.ann is None:
        return "none: every vector is compared"
    facts = manifest.ann.facts
    found = (f"{name}: finds {one['recall@10']:.1%} of the nearest ten" for name, one in facts["modalities"].items())
    later = manifest.rows - int(facts["rows"])
    return f"{facts['kind']}, {', '.join(found)}" + (f"; {later:,} later ones are compared exactly" if later else "")
