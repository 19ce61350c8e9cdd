"""What several tests share: small pictures, small tables, and the real data where it is."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FAMILIES = ("Rosaceae", "Fagaceae")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("CLIPBIO_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder} (set CLIPBIO_SHARED)")
    return folder


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (48, 40), seed: int = 0) -> Path:
    """Write a noisy picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-20, 20, (size[1], size[0], 3))
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path, quality=90)
    return path


@pytest.fixture
def make_table(tmp_path: Path) -> Callable[..., Path]:
    """Write a specimen table of `species` colours with `per_species` pictures each in every split."""

    def make(
        name: str = "table", *, species: int = 4, per_species: int = 6, splits: tuple[str, ...] = ("train", "test")
    ) -> Path:
        root = tmp_path / name
        rows, descriptions = [], []
        for number in range(species):
            colour = tuple(int(c) for c in np.random.default_rng(number).integers(20, 235, 3))
            genus, epithet = f"Genus{chr(97 + number)}", f"species{chr(97 + number)}"
            descriptions.append({"scientific_name": f"{genus} {epithet}", "description": f"Leaves of colour {number}."})
            for split in splits:
                for copy in range(per_species):
                    key = f"{split}-{number}-{copy}"
                    picture(root / "images" / f"{key}.jpg", colour, seed=hash_of(key))
                    rows.append(
                        {
                            "specimen_id": key,
                            "image": f"images/{key}.jpg",
                            "kingdom": "Plantae",
                            "family": FAMILIES[number % 2],
                            "genus": genus,
                            "species": epithet,
                            "common_name": f"plant {number}",
                            "split": split,
                        }
                    )
        write_csv(root / "specimens.csv", rows)
        write_csv(root / "descriptions.csv", descriptions)
        return root

    return make


def hash_of(text: str) -> int:
    return sum(ord(letter) * place for place, letter in enumerate(text, 1))


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
