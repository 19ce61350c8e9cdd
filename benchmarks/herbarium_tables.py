"""Tables of which some species are held out."""

from __future__ import annotations

import csv
from pathlib import Path

from clipbio.seeding import rng

__all__ = ["hold_out"]


def hold_out(table: Path, folder: Path, count: int, seed: int) -> tuple[str, ...]:
    """Make a table in which every picture of some species is `unseen`; pictures are links to those of the given one.

    Args:
        table: A specimen table.
        folder: What is made.
        count: How many species are held out.
        seed: Another one draws other species.

    Returns:
        The species that are held out.
    """
    with (table / "specimens.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted({f"{row['genus']} {row['species']}" for row in rows})
    drawn = rng("herbarium_search", "held out", seed).choice(len(names), count, replace=False)
    chosen = tuple(names[place] for place in sorted(drawn.tolist()))
    folder.mkdir(parents=True)
    for path in table.iterdir():
        if path.name != "specimens.csv":
            (folder / path.name).symlink_to(path.resolve())
    with (folder / "specimens.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            held_out = f"{row['genus']} {row['species']}" in chosen
            writer.writerow({**row, "split": "unseen" if held_out else row["split"]})
    return chosen
