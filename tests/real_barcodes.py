"""Real barcodes."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path


def read_barcodes(data: Path) -> list[str]:
    """Return the COI barcodes of butterflies as they were published; the fixture `shared_data` skips without them."""
    with gzip.open(data / "coi-butterflies" / "specimens.csv.gz", "rt", newline="") as lines:
        return [row["dna"] for row in csv.DictReader(lines)]
