"""Shard folders for the benchmark of the data stream, and the captions that the peer is handed."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from clipbio.data.defects import Defects
from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardFolder
from clipbio.data.sources import VirtualSource
from clipbio.data.sources.table import TableSource
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.taxonomy import Taxon

from training_data import regime

__all__ = ["FirstSpecimens", "Shards", "SmallSource", "draw_sheets", "write_shards"]

SHEET = (4000, 5600)
SHEET_QUALITY = 75
TEXT = ("text=mixed",)


@dataclass(frozen=True)
class Shards:
    """What both sides read.

    Args:
        root: Our shard folder.
        tars: Its tars of the split train, which the peer reads too.
        captions: File with a caption for each key, rendered beforehand for the peer.
        samples: Samples of the split train.
        image_bytes: Mean size of a picture.
    """

    root: Path
    tars: list[Path]
    captions: Path
    samples: int
    image_bytes: float


def write_shards(table: Path, out: Path, *, tars: int, limit: int | None = None) -> Shards:
    """Prepare a specimen table into about as many train shards as asked for, and render a caption for each sample.

    Args:
        table: Folder with `specimens.csv`.
        out: A folder that does not exist.
        tars: Number of tars, at least one per worker.
        limit: Largest number of specimens.
    """
    with (table / "specimens.csv").open(encoding="utf-8", newline="") as file:
        train = sum(row["split"] == "train" for row in islice(csv.DictReader(file), limit))
    source = TableSource(table) if limit is None else FirstSpecimens(TableSource(table), limit)
    prepare(source, out, progress=False, samples_per_shard=max(1, train // tars))
    index, rule = ShardFolder.open(out).index("train"), regime(TEXT)
    captions, sizes = {}, []
    for row in range(len(index)):
        specimen = index.read(row)
        assert isinstance(specimen.image, bytes)
        sizes.append(len(specimen.image))
        captions[index.keys[row]] = rule.draw(specimen, sample_seed=row, batch_seed=0).text
    assert len(captions) == len(index)
    path = out.parent / f"{out.name}-captions.json"
    path.write_text(json.dumps(captions), encoding="utf-8")
    return Shards(out, sorted((out / "train").glob("*.tar")), path, len(index), float(np.mean(sizes)))


def draw_sheets(count: int, size: tuple[int, int] = SHEET) -> Path:
    """Return a specimen table of sheets of the virtual herbarium at the size of a scan; they are drawn once.

    The sheets are enlarged and get the grain of paper and scanner, so that their files are as large as those of scans.
    """
    folder = Path(tempfile.gettempdir()) / f"clipbio-sheets-{size[0]}x{size[1]}-{SHEET_QUALITY}-{count}"
    if (folder / "specimens.csv").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, specimen in enumerate(islice(_virtual(count), count)):
        path = folder / f"{number:04d}.jpg"
        assert isinstance(specimen.image, bytes)
        path.write_bytes(_scan(specimen.image, size, number))
        rows.append([specimen.id, path.name, specimen.taxon.genus, specimen.taxon.species, "train"])
    with (folder / "specimens.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["specimen_id", "image", "genus", "species", "split"], *rows])
    return folder


def _virtual(count: int) -> VirtualSource:
    species = max(8, -(-count // 4))
    return VirtualSource(species, 1, specimens_per_species=4, descriptions_per_species=1, image_size=1024)


def _scan(sheet: bytes, size: tuple[int, int], seed: int) -> bytes:
    large = np.asarray(Image.open(io.BytesIO(sheet)).resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    # Paper has clouds of some pixels, a scanner single ones.
    draw = np.random.default_rng(seed)
    clouds = Image.fromarray(draw.normal(0, 3, (size[1] // 4 + 1, size[0] // 4 + 1)).astype(np.float32))
    grain = np.asarray(clouds.resize(size, Image.Resampling.BILINEAR)) + draw.normal(0, 2, (size[1], size[0]))
    pixels = np.clip(large + grain.astype(np.int16)[:, :, None], 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=SHEET_QUALITY)
    return buffer.getvalue()


class FirstSpecimens:
    """The first specimens of a table."""

    def __init__(self, source: TableSource, limit: int) -> None:
        self.source, self.limit, self.defects = source, limit, Defects()

    def __iter__(self) -> Iterator[Specimen]:
        return islice(iter(self.source), self.limit)

    def species_texts(self) -> Iterator[SpeciesText]:
        return iter(self.source.species_texts())

    def fingerprint(self) -> str:
        return f"{self.source.fingerprint()}-{self.limit}"


class SmallSource:
    """Any number of specimens with small pictures, quickly made: what is measured is what the stream keeps."""

    def __init__(self, samples: int) -> None:
        self.total, self.defects = samples, Defects()
        draw, self.pictures = np.random.default_rng(0), []
        for _ in range(64):
            buffer = io.BytesIO()
            Image.fromarray(draw.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(buffer, "JPEG")
            self.pictures.append(buffer.getvalue())

    def __iter__(self) -> Iterator[Specimen]:
        for number in range(self.total):
            # Each has a picture and a text of its own.
            picture = self.pictures[number % 64] + number.to_bytes(4, "little")
            taxon = Taxon(kingdom="Plantae", genus="Planta", species=f"virtualis{number % 5000}")
            yield Specimen(f"S{number}", taxon, picture, common_names=(f"virtual plant number {number}",))

    def species_texts(self) -> Iterator[SpeciesText]:
        return iter(())

    def fingerprint(self) -> str:
        return hashlib.sha256(f"small {self.total}".encode()).hexdigest()
