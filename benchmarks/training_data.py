"""The same pictures and texts twice: as a shard folder of ours, and as plain WebDataset tars for open_clip."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipbio.config import compose, instantiate, plain
from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardFolder
from clipbio.data.sources import VirtualSource
from clipbio.text import TextRegime

__all__ = ["TrainingData", "regime", "write_data"]

SPECIMENS_PER_SPECIES = 16


@dataclass(frozen=True)
class TrainingData:
    """Where the data is, and its texts.

    Args:
        shards: Our shard folder.
        tars: WebDataset tars with `KEY.jpg` and `KEY.txt`.
        texts: The text of each sample.
    """

    shards: Path
    tars: list[Path]
    texts: list[str]


def write_data(folder: Path, *, samples: int, image_size: int, text: Sequence[str], tars: int) -> TrainingData:
    """Draw sheets of the virtual herbarium and write them for both sides.

    Args:
        folder: An empty folder.
        samples: Number of sheets, at least; those of the split `train` are used.
        image_size: Side of the sheets in pixels.
        text: Overrides that choose the text regime; it must call a specimen the same each time.
        tars: Number of tars, at least one per worker.
    """
    species = max(8, -(-samples * 5 // (3 * SPECIMENS_PER_SPECIES)))
    source = VirtualSource(
        species, 1, specimens_per_species=SPECIMENS_PER_SPECIES, descriptions_per_species=1, image_size=image_size
    )
    prepare(source, folder / "shards", progress=False)
    index = ShardFolder.open(folder / "shards").index("train")
    rule = regime(text)
    pairs = []
    for row in range(len(index.ids)):
        specimen = index.read(row)
        assert isinstance(specimen.image, bytes)
        pairs.append((specimen.image, rule.draw(specimen, sample_seed=0, batch_seed=0).text))
    paths = [folder / f"peer-{number:03d}.tar" for number in range(tars)]
    for number, path in enumerate(paths):
        _write_tar(path, pairs[number::tars])
    return TrainingData(folder / "shards", paths, [text for _, text in pairs])


def regime(overrides: Sequence[str]) -> TextRegime:
    """Return the text regime that overrides of `conf/train.yaml` choose."""
    built = instantiate(plain(compose("train", overrides))["text"], "text")
    assert isinstance(built, TextRegime)
    return built


def _write_tar(path: Path, pairs: list[tuple[bytes, str]]) -> None:
    with tarfile.open(path, "w") as tar:
        for number, (image, text) in enumerate(pairs):
            for suffix, content in (("jpg", image), ("txt", text.encode())):
                member = tarfile.TarInfo(f"{number:06d}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
