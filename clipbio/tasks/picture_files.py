"""Plain pictures: found in files, folders and patterns, and read batch by batch."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from clipbio.data.batch import UNUSABLE, EvaluationBatch, Skipped, one_line
from clipbio.data.splits import IntArray
from clipbio.data.transforms import ImageTransform
from clipbio.distributed import World
from clipbio.errors import ClipbioError

__all__ = ["SUFFIXES", "PictureStream", "find_pictures", "picture_id"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
"""Endings of what is taken out of a folder; a file that is named is read whatever its ending."""

# Largest file that is read: no picture within the bound of pixels needs so much.
_LARGEST = 2**30


def find_pictures(images: Sequence[str], key: str = "images") -> list[str]:
    """Return the paths of pictures, sorted, each once; a path is the id of its picture.

    Args:
        images: Files, folders (with all folders below, hidden ones left out), and patterns such as `plots/*/*.jpg`.
        key: What they are called in errors.

    Raises:
        ClipbioError: One of them leads to no picture.
    """
    if not images:
        raise ClipbioError(f"{key}=[] names no picture: give files, folders or patterns")
    return sorted({path for one in images for path in _found(os.path.expanduser(str(one)), key)})  # noqa: PTH111


def picture_id(path: str) -> str:
    """Return the id of a picture: its path, with bytes that are no UTF-8 spelled out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _found(given: str, key: str) -> list[str]:
    path = Path(given)
    if path.is_file():
        return [str(path)]
    if path.is_dir():
        found = list(_walk(path))
        if not found:
            raise ClipbioError(f"{key}: the folder {given} holds no picture ({', '.join(SUFFIXES)})")
        return found
    if glob.has_magic(given):
        found = [one for one in glob.glob(given, recursive=True) if Path(one).suffix.lower() in SUFFIXES]  # noqa: PTH207
        if not found:
            raise ClipbioError(f"{key}: no picture fits the pattern '{given}'; put it into quotes, ** is any depth")
        return found
    raise ClipbioError(f"{key}: there is no file or folder '{given}'")


def _walk(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield str(Path(root, name))


class PictureStream(IterableDataset[EvaluationBatch]):
    """Batches of pictures by row, that is by place in a list of paths; whole batches are dealt to the processes.

    Args:
        paths: All pictures.
        rows: Those to read.
        transform: From bytes to pixels; what has too many of them is not decoded.
        world: This process.
        batch_size: Pictures of a batch.
    """

    def __init__(
        self, paths: Sequence[str], rows: IntArray, transform: ImageTransform, *, world: World, batch_size: int
    ) -> None:
        self.paths, self.transform = paths, transform
        batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
        self.batches = batches[world.rank :: world.size]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[EvaluationBatch]:
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        for rows in self.batches[worker::workers]:
            yield self._batch(rows)

    def _batch(self, rows: IntArray) -> EvaluationBatch:
        read: list[int] = []
        pixels: list[Tensor] = []
        skipped: list[tuple[int, Skipped]] = []
        for row in map(int, rows):
            try:
                pixels.append(self.transform(_bytes(self.paths[row])))
                read.append(row)
            except UNUSABLE as error:
                skipped.append((row, Skipped(picture_id(self.paths[row]), one_line(error))))
        height, width = self.transform.spec.size
        return EvaluationBatch(
            rows_B=torch.tensor(read, dtype=torch.int64),
            inputs={"image": torch.stack(pixels) if pixels else torch.empty(0, 3, height, width, dtype=torch.uint8)},
            present={"image": torch.ones(len(read), dtype=torch.bool)},
            skipped=skipped,
        )


def _bytes(path: str) -> bytes:
    if not Path(path).is_file():
        raise OSError("it is no regular file")
    size = Path(path).stat().st_size
    if size > _LARGEST:
        raise OSError(f"the file has {size} bytes, more than {_LARGEST}")
    return Path(path).read_bytes()
