"""Gardens: specimen tables whose species are colours."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

FAMILIES = ("Rosaceae", "Fagaceae")


def picture(path: Path, colour: tuple[int, ...], size: tuple[int, int] = (48, 40), seed: int = 0) -> Path:
    """Write a noisy picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-20, 20, (size[1], size[0], 3))
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path, quality=90)
    return path


def write_garden(
    root: Path, *, species: int = 4, per_species: int = 6, splits: tuple[str, ...] = ("train", "test"), first: int = 0
) -> Path:
    """Write a specimen table of `species` colours, numbered from `first`, with `per_species` pictures each per split."""
    rows, descriptions = [], []
    for number in range(first, first + species):
        colour = tuple(int(c) for c in np.random.default_rng(number).integers(20, 235, 3))
        genus, epithet = f"Genus{chr(97 + number)}", f"species{chr(97 + number)}"
        descriptions.append({"scientific_name": f"{genus} {epithet}", "description": f"Leaves of colour {number}."})
        for key in (f"{split}-{number}-{copy}" for split in splits for copy in range(per_species)):
            picture(root / "images" / f"{key}.jpg", colour, seed=sum(map(ord, key)))
            rows.append(
                {
                    "specimen_id": key,
                    "image": f"images/{key}.jpg",
                    "kingdom": "Plantae",
                    "family": FAMILIES[number % 2],
                    "genus": genus,
                    "species": epithet,
                    "common_name": f"plant {number}",
                    "split": key.partition("-")[0],
                }
            )
    for name, table in (("specimens", rows), ("descriptions", descriptions)):
        with (root / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(table[0]))
            writer.writeheader()
            writer.writerows(table)
    return root
