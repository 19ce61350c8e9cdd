"""Birds, butterflies and barcodes with a checklist that has something of everything planted in it.

`expectation` works out from the tables alone what the catalogue and the conflict log must say: no code of the library
takes part, but for the cleaning of names.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checklists import table_rows, write_rows
from tables import Row, encoded, write_csv

from clipbio.data.merging import MergedSource, MergeSettings
from clipbio.data.sources import TableSource
from clipbio.taxonomy import RANKS

Lineage = tuple[str, ...]
_SEEDS = {"birds": 1000, "leeds": 2000}

# Where the checklist has a genus, or a family, elsewhere than the data.
FAMILY_OF = {"Danaus": "Danaidae", "Crotophaga": "Crotophagidae"}
ORDER_OF = {"Lycaenidae": "Lycaenida"}
# Synonyms, one of them by way of another; accepted names that the data does not have.
SYNONYMS = {
    "Danaus plexippus": "Danaus erippus",
    "Vanessa cardui": "Cynthia cardui",
    "Cynthia cardui": "Pyrameis cardui",
}
ACCEPTED = {"Danaus plexippus": "Danaus erippus", "Vanessa cardui": "Pyrameis cardui"}
# A genus and a species of the same name in another kingdom.
HERB = ("Plantae", "Tracheophyta", "Magnoliopsida", "Ericales", "Ericaceae", "Pieris", "rapae")
# Not in the checklist; the second one stands there with another letter.
LACKING = {"Agelaius phoeniceus": "", "Passerina ciris": "Passerina cyris"}
BLOCKED = {"Xanthocephalus xanthocephalus", "Dolichonyx oryzivorus"}
BLOCKED_AS = [
    "Animalia-Chordata-Aves-Passeriformes-Icteridae-Xanthocephalus-xanthocephalus",
    "Larus synonymus",  # the checklist: a synonym of Dolichonyx oryzivorus
]
COMMON_NAMES = {"Pieris brassicae": "Large White", "Danaus erippus": "Southern Monarch"}


@dataclass
class Planted:
    """The three sets, a fourth one with copies of their photos, and what merging must say about them."""

    roots: Mapping[str, Path]
    checklist: Path
    common_names: Path
    blocked_image: str
    catalog: list[dict[str, str]] = field(default_factory=list)
    conflicts: list[dict[str, str]] = field(default_factory=list)

    def merged(self) -> MergedSource:
        """Return the merged source."""
        settings = {"checklist": str(self.checklist), "common_names": [str(self.common_names)]}
        settings |= {"blocked": {"species": BLOCKED_AS, "images": [self.blocked_image]}}  # type: ignore[dict-item]
        return MergedSource({name: TableSource(root) for name, root in self.roots.items()}, MergeSettings.of(settings))


def plant(birds: Path, leeds: Path, coi: Path, folder: Path) -> Planted:
    """Write the fourth set, the checklist and the common names into `folder`, and work out what must come of them."""
    rows = {name: read(root) for name, root in (("birds", birds), ("leeds", leeds), ("coi", coi))}
    copies = _write_copies(birds, leeds, rows, folder / "copies")
    roots = {"birds": birds, "leeds": leeds, "coi": coi, "copies": copies}
    rows["copies"] = read(copies)
    blocked_image = rows["leeds"][4]["specimen_id"]
    planted = Planted(roots, _write_checklist(rows, folder), _write_common_names(folder), f"leeds/{blocked_image}")
    _expect(planted, rows)
    return planted


def read(root: Path) -> list[Row]:
    """Return the rows of a specimen table."""
    path = next(root.glob("specimens.csv*"))
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_small(folder: Path) -> tuple[Path, Path, Path]:
    """Write small sets with the species that matter: photos of birds and butterflies, and barcodes."""
    aves = "Animalia Chordata Aves Passeriformes"
    birds = ["Animalia Chordata Aves Cuculiformes Cuculidae Crotophaga sulcirostris", f"{aves} Corvidae Pica hudsonia"]
    birds += [f"{aves} Icteridae {name}" for name in ("Agelaius phoeniceus", *sorted(BLOCKED))]
    birds += [f"{aves} Cardinalidae Passerina ciris"]
    insects = "Animalia Arthropoda Insecta Lepidoptera"
    leeds = [f"{insects} {name}" for name in ("Nymphalidae Danaus plexippus", "Lycaenidae Lycaena phlaeas")]
    leeds += [f"{insects} {name}" for name in ("Pieridae Pieris rapae", "Nymphalidae Vanessa cardui")]
    coi = [*leeds, f"{insects} Pieridae Pieris brassicae", f"{insects} Nymphalidae Danaus chrysippus"]
    return (
        _write_set(folder / "birds", birds, photos=3, common_name="A bird", split="test"),
        _write_set(folder / "leeds", leeds, photos=6, common_name="A butterfly", split="train"),
        _write_set(folder / "coi", coi, photos=0),
    )


def _write_set(root: Path, lineages: Iterable[str], *, photos: int, **more: str) -> Path:
    (root / "images").mkdir(parents=True)
    rows = []
    for place, lineage in enumerate(lineages):
        for number in range(photos or 4):
            row = {"specimen_id": f"{place}-{number}", **dict(zip(RANKS, lineage.split()))}
            if photos:
                row["image"] = f"images/{place}-{number}.jpg"
                (root / row["image"]).write_bytes(encoded(_SEEDS[root.name] + place * 10 + number))
            else:
                row["dna"] = "ACGT" * (place + 1)
            rows.append(row | more)
    write_csv(root / "specimens.csv", rows)
    return root


def _write_copies(birds: Path, leeds: Path, rows: Mapping[str, list[Row]], root: Path) -> Path:
    """Write a set with copies of photos under other names, and with names that say little."""
    (root / "images").mkdir(parents=True)
    monarchs = [row for row in rows["leeds"] if row["species"] == "plexippus"]
    blocked = next(row for row in rows["birds"] if f"{row['genus']} {row['species']}" in BLOCKED)
    copied: list[tuple[Path | None, str, str]] = [
        (leeds / monarchs[0]["image"], "Danaus plexippus", ""),
        (leeds / monarchs[1]["image"], "Vanessa cardui", ""),
        (birds / blocked["image"], "Pieris brassicae", ""),
        (leeds / rows["leeds"][4]["image"], "Vanessa cardui", ""),
        (None, "Pieris rapae", "Ericaceae"),
        (None, "Pieris rapae", ""),
        (None, "Vanessa cardui", ""),
    ]
    table = []
    for number, (photo, name, family) in enumerate(copied):
        image = f"images/{number}.jpg"
        if photo:
            shutil.copy(photo, root / image)
        else:
            (root / image).write_bytes(encoded(90_000 + number))
        row = {"specimen_id": f"copy-{number}", "image": image, "family": family, "genus": "", "species": name}
        table.append(row | {"dna": "ACGT", "licence": "CC0", "rights_holder": "A. Nn", "split": "val"})
    write_csv(root / "specimens.csv", table)
    return root


def _lineage(row: Row) -> Lineage:
    """Return what a row says, the binomial in the cell of the species taken apart."""
    names = [row.get(rank, "") for rank in RANKS]
    if " " in names[-1]:
        names[-2:] = names[-1].split()
    return tuple(names)


def _in_checklist(lineage: Lineage) -> Lineage:
    kingdom, phylum, class_, order, family, genus, species = lineage
    family = FAMILY_OF.get(genus, family)
    return kingdom, phylum, class_, ORDER_OF.get(family, order), family, genus, species


def _checklist_lineages(rows: Mapping[str, list[Row]]) -> dict[str, Lineage]:
    """Return the accepted names of animals in the checklist with their lineages."""
    given = {lineage for name in ("birds", "leeds", "coi") for lineage in map(_lineage, rows[name])}
    found = {" ".join(lineage[-2:]): _in_checklist(lineage) for lineage in sorted(given)}
    for synonym, accepted in ACCEPTED.items():
        genus, species = accepted.split()
        # The family decides before the genus is renamed: Vanessa stays in its own.
        found[accepted] = (*found.pop(synonym)[:-2], genus, species)
    for name in LACKING:
        found.pop(name, None)
    found["Passerina cyris"] = ("Animalia", "Chordata", "Aves", "Passeriformes", "Cardinalidae", "Passerina", "cyris")
    return found


def _write_checklist(rows: Mapping[str, list[Row]], folder: Path) -> Path:
    lineages = [*_checklist_lineages(rows).values(), HERB]
    table = table_rows([" ".join(lineage) for lineage in lineages])
    more = SYNONYMS | {"Larus synonymus": "Dolichonyx oryzivorus"}
    plain = {"rank": "species", "status": "synonym", "parent": "", "kingdom": "Animalia"}
    table += [{"name": name, **plain, "accepted": accepted} for name, accepted in more.items()]
    return write_rows(folder / "checklist.tsv", table)


def _write_common_names(folder: Path) -> Path:
    rows = [{"scientific_name": name, "common_name": common} for name, common in COMMON_NAMES.items()]
    write_csv(folder / "names.csv", rows)
    return folder / "names.csv"


def _expect(planted: Planted, rows: Mapping[str, list[Row]]) -> None:
    """Fill `catalog` and `conflicts`."""
    accepted = _checklist_lineages(rows)
    photos = {name: [_photo(planted.roots[name], row) for row in table] for name, table in rows.items()}
    tainted = {
        photo
        for name, table in rows.items()
        for row, photo in zip(table, photos[name], strict=True)
        if " ".join(_lineage(row)[-2:]) in BLOCKED or f"{name}/{row['specimen_id']}" == planted.blocked_image
    }
    first: dict[bytes, dict[str, str]] = {}
    log: dict[tuple[str, ...], list[str]] = {}
    for name, table in rows.items():
        for row, photo in zip(table, photos[name], strict=True):
            entry, lines = _record(name, row, accepted)
            same = first.setdefault(photo, entry) if photo else entry
            if " ".join(_lineage(row)[-2:]) in BLOCKED:
                entry["outcome"] = "blocked_species"
            elif photo in tainted:
                entry["outcome"] = "blocked_image"
            elif same["source"] != name:
                entry |= {"outcome": "duplicate_photo", "instead": same["id"], "lost": "dna licence rights_holder"}
                lines = _disagreement(entry, same)
            else:
                entry["outcome"] = "kept"
            if entry["outcome"] in ("kept", "duplicate_photo"):
                for line in lines:
                    log.setdefault((name, *line), []).append(entry["id"])
            planted.catalog.append(entry)
    planted.conflicts += _log_lines(log, list(rows))


def _photo(root: Path, row: Row) -> bytes:
    return hashlib.sha256((root / row["image"]).read_bytes()).digest() if row.get("image") else b""


def _record(source: str, row: Row, accepted: Mapping[str, Lineage]) -> tuple[dict[str, str], list[tuple[str, ...]]]:
    """Return the catalogue's row of a record as if it were kept, and its lines of the log."""
    given = _lineage(row)
    name = " ".join(given[-2:])
    became, match, lines = _resolved(given, name, accepted)
    final = " ".join(became[-2:])
    id_ = row["specimen_id"]
    entry = {"id": f"{source}/{id_}", "source": source, "source_id": id_, "instead": "", "lost": ""}
    entry |= {"split": row.get("split") or "train", "licence": row.get("licence", "")}
    entry |= {"rights_holder": row.get("rights_holder", ""), "given_name": name, "name": final, "match": match}
    entry |= dict(zip(RANKS, became)) | {"common_name": row.get("common_name") or COMMON_NAMES.get(final, "")}
    return entry, lines


def _resolved(given: Lineage, name: str, accepted: Mapping[str, Lineage]) -> tuple[Lineage, str, list[tuple[str, ...]]]:
    if name in LACKING:
        return given, "unmatched", [(name, "species", name, name, "unmatched", LACKING[name])]
    if name == "Pieris rapae" and not given[0]:
        if given[4] == "Ericaceae":
            return HERB, "accepted", []
        both = "Pieris rapae (Animalia) | Pieris rapae (Plantae)"
        return given, "ambiguous", [(name, "species", name, name, "ambiguous", both)]
    final = ACCEPTED.get(name, name)
    became = accepted[final]
    lines = [(final, "species", name, final, "synonym", "")] if final != name else []
    for rank, theirs, ours in zip(RANKS[:-2], given[:-2], became[:-2], strict=True):
        if theirs and theirs != ours:
            lines.append((final, rank, theirs, ours, "higher_rank", ""))
    return became, "synonym" if final != name else "accepted", lines


def _disagreement(dropped: Mapping[str, str], kept: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return the line about two determinations of one photo: the highest rank at which they differ."""
    for rank in RANKS[:-1]:
        if dropped[rank] != kept[rank]:
            return [(kept["name"], rank, dropped[rank], kept[rank], "duplicate_photo", "")]
    return []


def _log_lines(log: Mapping[tuple[str, ...], list[str]], sources: list[str]) -> list[dict[str, str]]:
    def place(key: tuple[str, ...]) -> tuple[Any, ...]:
        source, name, rank, given, chosen, reason, suggestion = key
        return sources.index(source), name, RANKS.index(rank), given, reason, chosen, suggestion

    lines = []
    for key in sorted(log, key=place):
        source, name, rank, given, chosen, reason, suggestion = key
        line = {"source": source, "name": name, "rank": rank, "given": given, "chosen": chosen, "reason": reason}
        ids = log[key]
        lines.append(line | {"suggestion": suggestion, "records": str(len(ids)), "first_ids": " ".join(ids[:3])})
    return lines
