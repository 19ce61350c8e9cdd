"""The data card of a shard folder: what is in it, from where, under which licences, and how it was made."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from clipbio.data.card_counts import CardCounts
from clipbio.data.manifest import INDEX, SPLITS, Manifest
from clipbio.files import plain_text, read_json, write_text
from clipbio.taxonomy import RANKS

__all__ = ["CARD", "write_card"]

CARD = "README.md"
_CONFLICTS, _MERGE = "conflicts.csv", "merge.json"
_MOST_LICENCES = 40


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write `README.md` into a shard folder, the same bytes for the same content.

    Args:
        folder: The shard folder, with its index, and of a merged set its conflict log and summary.
        manifest: What will stand in `manifest.json`.
    """
    counts = CardCounts.of(folder / INDEX)
    parts = [_overview(counts, manifest), _sources(counts, manifest), _splits(counts, manifest), _licences(counts)]
    parts += [_ranks(counts), _defects(manifest), _merging(folder), _made(manifest)]
    write_text(folder / CARD, "\n\n".join(filter(None, parts)) + "\n")


def _overview(counts: CardCounts, manifest: Manifest) -> str:
    numbers = {
        "images": manifest.images,
        "masks": manifest.masks,
        "barcodes": manifest.barcodes,
        "distinct taxa": manifest.taxa,
        "species": len(counts.species),
        "without any name": manifest.unnamed,
    }
    lines = [f"- {count:,} {what}" for what, count in numbers.items() if count]
    return "\n".join(
        [f"# Data card: {manifest.samples:,} specimens", "", f"Content hash `{manifest.hash}`.", "", *lines]
    )


def _sources(counts: CardCounts, manifest: Manifest) -> str:
    unnamed = f"({manifest.made.get('source', 'not named')})"
    rows = [(name or unnamed, *part.cells) for name, part in sorted(counts.parts["source"].items())]
    return _section("Sources", ("source", "specimens", "images", "barcodes", "species"), rows)


def _splits(counts: CardCounts, manifest: Manifest) -> str:
    names = [split for split in SPLITS if split in manifest.splits]
    rows = [(name, *counts.parts["split"][name].cells, manifest.splits[name]["shards"]) for name in names]
    return _section("Splits", ("split", "specimens", "images", "barcodes", "species", "shards"), rows)


def _licences(counts: CardCounts) -> str:
    licences = Counter(counts.licences)
    missing = licences.pop("", 0)
    common = sorted(licences.items(), key=lambda item: (-item[1], item[0]))
    rows: list[tuple[Any, ...]] = list(common[:_MOST_LICENCES])
    if rest := common[_MOST_LICENCES:]:
        rows.append((f"{len(rest)} others", sum(count for _, count in rest)))
    if missing:
        rows.append(("(not told)", missing))
    held = len(counts.holders)
    told = f"{held:,} rights holders are named in `{INDEX}`." if held else "No rights holder is named."
    return f"{_section('Licences', ('licence', 'specimens'), rows)}\n\n{told}"


def _ranks(counts: CardCounts) -> str:
    rows = []
    for rank in RANKS:
        taxa, known = counts.names.get(rank, counts.species), counts.known[rank]
        rows.append((rank, len(taxa), known, _share(known, counts.specimens)))
    return _section("Ranks", ("rank", "names", "specimens with it", "share"), rows)


def _defects(manifest: Manifest) -> str:
    if not manifest.defects:
        return "## Defects\n\nNone was found."
    rows = [(kind, found["count"], next(iter(found["first"]), "")) for kind, found in sorted(manifest.defects.items())]
    return _section("Defects", ("kind", "count", "for example"), rows)


def _merging(folder: Path) -> str:
    """Tell what merging decided, where several sources were merged."""
    if not (folder / _MERGE).is_file():
        return ""
    summary = read_json(folder / _MERGE)
    kinds = list(dict.fromkeys(kind for counts in summary["sources"].values() for kind in counts))
    rows = [(name, *(counts.get(kind, 0) for kind in kinds)) for name, counts in summary["sources"].items()]
    parts = [_section("Merging", ("source", *(kind.replace("_", " ") for kind in kinds)), rows)]
    records: Counter[str] = Counter()
    with (folder / _CONFLICTS).open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            records[line["reason"]] += int(line["records"])
    lines = summary["conflict_lines"]
    conflicts = [(reason, lines[reason], records[reason]) for reason in lines]
    title = f"Names that were changed, or differ (each line in `{_CONFLICTS}`)"
    parts.append(_section(title, ("reason", "lines", "records"), conflicts, level="###") if conflicts else "")
    found = summary["blocked_entries_found"].items()
    blocked = [(kind, where, met) for kind, lists in found for where, met in lists.items()]
    title = "Blocked lists"
    parts.append(_section(title, ("of", "list", "entries found"), blocked, level="###") if blocked else "")
    parts.append("\n".join(f"- {warning}" for warning in summary["warnings"]))
    return "\n\n".join(filter(None, parts))


def _made(manifest: Manifest) -> str:
    options = ", ".join(f"{name}={value}" for name, value in sorted(manifest.made.get("options", {}).items()))
    lines = [
        "## How it was made",
        "",
        f"- `python -m clipbio prepare`, clipbio {manifest.made.get('clipbio', 'unknown')}, "
        f"schema {manifest.schema}, layout {manifest.layout}",
        f"- source: {manifest.made.get('source', 'unknown')}, fingerprint `{manifest.fingerprint}`",
        f"- options: {options}",
        "- `manifest.json` has size and hash of every file; `python -m clipbio check` verifies them",
    ]
    return "\n".join(lines)


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else "-"


def _section(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]], *, level: str = "##") -> str:
    lines = [f"{level} {title}", "", _row(header), _row(["---"] * len(header)), *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return plain_text(str(value))
