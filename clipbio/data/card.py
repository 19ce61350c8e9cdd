"""The data card of a shard folder: what is in it, from where, under which licences, and how it was made."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipbio.data.manifest import INDEX, SPLITS, Manifest
from clipbio.files import read_json, write_text
from clipbio.taxonomy import RANKS

__all__ = ["CARD", "write_card"]

CARD = "README.md"
_CONFLICTS, _MERGE = "conflicts.csv", "merge.json"
_COLUMNS = ("split", "source", "licence", "rights_holder", *RANKS, "image_digest", "dna_digest")
_MOST_LICENCES = 40


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write `README.md` into a shard folder, the same bytes for the same content.

    Args:
        folder: The shard folder, with its index, and of a merged set its conflict log and summary.
        manifest: What will stand in `manifest.json`.
    """
    table = pq.read_table(folder / INDEX, columns=list(_COLUMNS))
    parts = [_overview(table, manifest), _sources(table, manifest), _splits(table, manifest), _licences(table)]
    parts += [_ranks(table), _defects(manifest), _merging(folder), _made(manifest)]
    write_text(folder / CARD, "\n\n".join(filter(None, parts)) + "\n")


def _overview(table: Any, manifest: Manifest) -> str:
    numbers = {
        "images": manifest.images,
        "masks": manifest.masks,
        "barcodes": manifest.barcodes,
        "distinct taxa": manifest.taxa,
        "species": _species(table),
        "without any name": manifest.unnamed,
    }
    lines = [f"- {count:,} {what}" for what, count in numbers.items() if count]
    return "\n".join(
        [f"# Data card: {manifest.samples:,} specimens", "", f"Content hash `{manifest.hash}`.", "", *lines]
    )


def _sources(table: Any, manifest: Manifest) -> str:
    rows = []
    for name in _values(table, "source"):
        part = table.filter(pc.equal(table["source"], name))
        rows.append((name or f"({manifest.made.get('source', 'not named')})", *_counts(part)))
    return _section("Sources", ("source", "specimens", "images", "barcodes", "species"), rows)


def _splits(table: Any, manifest: Manifest) -> str:
    rows = []
    for name in (split for split in SPLITS if split in manifest.splits):
        part = table.filter(pc.equal(table["split"], name))
        rows.append((name, *_counts(part), manifest.splits[name]["shards"]))
    return _section("Splits", ("split", "specimens", "images", "barcodes", "species", "shards"), rows)


def _licences(table: Any) -> str:
    counts = Counter(dict(_tally(table["licence"])))
    missing = counts.pop("", 0)
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows: list[tuple[Any, ...]] = list(common[:_MOST_LICENCES])
    if rest := common[_MOST_LICENCES:]:
        rows.append((f"{len(rest)} others", sum(count for _, count in rest)))
    if missing:
        rows.append(("(not told)", missing))
    held = pc.count_distinct(pc.filter(table["rights_holder"], pc.not_equal(table["rights_holder"], ""))).as_py()
    told = f"{held:,} rights holders are named in `{INDEX}`." if held else "No rights holder is named."
    return f"{_section('Licences', ('licence', 'specimens'), rows)}\n\n{told}"


def _ranks(table: Any) -> str:
    rows = []
    for rank in RANKS:
        known = table.filter(_has_species(table) if rank == "species" else pc.not_equal(table[rank], ""))
        taxa = _species(known) if rank == "species" else len(_values(known, rank))
        rows.append((rank, taxa, len(known), _share(len(known), len(table))))
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


def _counts(part: Any) -> tuple[int, int, int, int]:
    """Count specimens, images, barcodes and species."""
    present = (pc.sum(pc.not_equal(pc.binary_length(part[name]), 0)).as_py() for name in ("image_digest", "dna_digest"))
    images, barcodes = (count or 0 for count in present)
    return len(part), images, barcodes, _species(part)


def _has_species(table: Any) -> Any:
    return pc.and_(pc.not_equal(table["genus"], ""), pc.not_equal(table["species"], ""))


def _species(table: Any) -> int:
    named = table.select(["kingdom", "genus", "species"]).filter(_has_species(table))
    return len(named.group_by(["kingdom", "genus", "species"]).aggregate([]))


def _values(table: Any, name: str) -> list[str]:
    return sorted(value for value, _ in _tally(table[name]))


def _tally(column: Any) -> list[tuple[str, int]]:
    return [(entry["values"], entry["counts"]) for entry in column.value_counts().to_pylist()]


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
    return " ".join(str(value).replace("|", "\\|").split())
