"""Plain picture files as a stream of batches: what is asked about pictures that stand in no table."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from clipbio.data.batch import UNUSABLE, Skipped, one_line
from clipbio.data.sources.pictures import IMAGE_SUFFIXES, suffix_of
from clipbio.data.transforms import ImageTransform
from clipbio.errors import ClipbioError

__all__ = ["PictureBatch", "PictureStream", "find_pictures"]

_MAGIC = frozenset("*?[")
# A picture of the largest size that is decoded is smaller than this in any format; what is larger is no picture.
_MAX_BYTES = 2**30


def find_pictures(given: Sequence[str]) -> list[Path]:
    """Return picture files, each once, in the order given; those of a folder or pattern are sorted.

    Args:
        given: Files, folders (with the folders below them, hidden ones and links to folders left out) and patterns
            such as `sheets/**/*.jpg`.

    Raises:
        ClipbioError: One of them does not exist or holds no picture.
    """
    found: dict[Path, None] = {}
    for one in given:
        before = len(found)
        path = Path(one).expanduser()
        if path.is_file():
            found[path] = None
            continue
        if path.is_dir():
            new = list(_walk(path))
        elif _MAGIC & set(one):
            new = [match for name in sorted(_matches(str(path))) if (match := Path(name)).is_file()]
        else:
            raise ClipbioError(f"{one}: there is no such file or folder")
        found |= dict.fromkeys(new)
        if len(found) == before and not new:
            raise ClipbioError(f"{one}: there are no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})")
    if not found:
        raise ClipbioError("no pictures are given: name files, folders or patterns")
    return list(found)


def _matches(pattern: str) -> list[str]:
    # `Path.glob` takes no absolute pattern.
    return glob.glob(pattern, recursive=True)  # noqa: PTH207


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place) / name for name in sorted(files) if suffix_of(name) in IMAGE_SUFFIXES)


class PictureBatch(NamedTuple):
    """Some pictures in their order: those that could be read as pixels, the others with the reason."""

    paths: list[str]
    pixels_BCHW: Tensor
    skipped: list[Skipped]


class PictureStream(IterableDataset[PictureBatch]):
    """Pictures in their order, decoded and resized; `clipbio.data.stream.loader` reads it with workers.

    Args:
        paths: Files.
        transform: How they become pixels.
        batch_size: Files of a batch.
    """

    def __init__(self, paths: Sequence[Path], transform: ImageTransform, *, batch_size: int) -> None:
        self.paths, self.transform, self.batch_size = paths, transform, batch_size

    def __len__(self) -> int:
        return -(-len(self.paths) // self.batch_size)

    def __iter__(self) -> Iterator[PictureBatch]:
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        for start in range(worker * self.batch_size, len(self.paths), workers * self.batch_size):
            yield self._batch(self.paths[start : start + self.batch_size])

    def _batch(self, paths: Sequence[Path]) -> PictureBatch:
        read: list[str] = []
        pixels: list[Tensor] = []
        skipped: list[Skipped] = []
        for path in paths:
            try:
                if path.stat().st_size > _MAX_BYTES:
                    raise OSError(f"{path.stat().st_size:,} bytes are no picture")
                pixels.append(self.transform(path.read_bytes()))
                read.append(str(path))
            except UNUSABLE as error:
                skipped.append(Skipped(str(path), one_line(error)))
        empty = torch.zeros(0, 3, *self.transform.spec.size, dtype=torch.uint8)
        return PictureBatch(read, torch.stack(pixels) if pixels else empty, skipped)
