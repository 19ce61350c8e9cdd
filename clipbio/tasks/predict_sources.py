"""Where the vectors of pictures come from: pictures that are encoded now, or a file that `embed` wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.nn import functional

from clipbio.data.batch import Skipped
from clipbio.data.stream import loader
from clipbio.data.transforms import ImageTransform
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.embedding_files import read_list_column
from clipbio.models import ImageTrunk, MultiTower
from clipbio.tasks.asked import whole_number, worker_count
from clipbio.tasks.picture_files import PictureStream, find_pictures, picture_id

__all__ = ["VectorBatch", "VectorSource", "given_vectors", "picture_vectors"]

Config = Mapping[str, Any]
Caption = Callable[[Tensor], Sequence[str]]

_COLUMN = "image"
_ROWS_AT_ONCE = 4096


class VectorBatch(NamedTuple):
    """What some pictures are called, their unit vectors, those that could not be read, and captions if asked for."""

    names: list[str]
    vectors_BD: Tensor
    skipped: list[Skipped]
    captions: Sequence[str] = ()


@dataclass(frozen=True)
class VectorSource:
    """Pictures to be answered for: how many, the length of their vectors, and the vectors batch by batch."""

    count: int
    dim: int
    batches: Callable[[], Iterator[VectorBatch]]


def picture_vectors(
    config: Config, model: MultiTower, name: str, device: torch.device, caption: Caption | None = None
) -> VectorSource:
    """Return pictures of files, folders and patterns, encoded as they are asked for.

    Args:
        config: Has `images`, `projection`, `decoder`, `batch_size` and `num_workers`.
        model: What encodes them.
        name: What the model is called.
        device: Where it runs.
        caption: Writes captions of pixels on that device; None for none.

    Raises:
        ClipbioError: There are no pictures, or the model encodes none.
    """
    if "image" not in model.modalities:
        raise ClipbioError(f"{name} encodes no pictures, only {' and '.join(model.modalities)}: give another model")
    tower, projection = model.tower("image"), str(config["projection"])
    assert isinstance(tower.trunk, ImageTrunk)
    given = config["images"]
    paths = find_pictures(given if isinstance(given, list) else [given])
    transform = ImageTransform(tower.trunk.spec, decoder=str(config["decoder"]))
    if (size := whole_number(config["batch_size"], "batch_size")) < 1:
        raise ClipbioError(f"batch_size={size} must be 1 or more")
    workers = worker_count(config["num_workers"], "num_workers", World())
    rows = np.arange(len(paths), dtype=np.int64)

    @torch.inference_mode()
    def batches() -> Iterator[VectorBatch]:
        stream = PictureStream(paths, rows, transform, world=World(), batch_size=size)
        # For a single batch no process is worth its start.
        for batch in loader(stream, num_workers=min(workers, len(stream) - 1)):
            names = [picture_id(paths[row]) for row in batch["rows_B"].tolist()]
            pixels = batch["inputs"]["image"].to(device)
            vectors = tower(pixels, projection).float() if names else torch.empty(0, tower.dim(projection))
            captions = caption(pixels) if caption is not None and names else ()
            yield VectorBatch(names, vectors, [one for _, one in batch["skipped"]], captions)

    return VectorSource(len(paths), tower.dim(projection), batches)


def given_vectors(path: Path, device: torch.device) -> VectorSource:
    """Return the vectors of a Parquet file with the columns `id` and `image`, as `embed` writes it.

    Raises:
        ClipbioError: It is none, or holds vectors that are not finite.
    """
    try:
        file = pq.ParquetFile(path)
        kind = file.schema_arrow.field(_COLUMN).type
        file.schema_arrow.field("id")
    except (OSError, KeyError, pa.ArrowException) as error:
        raise ClipbioError(f"embeddings={path}: give a Parquet file with columns id and {_COLUMN} ({error})") from error
    if not pa.types.is_fixed_size_list(kind):
        raise ClipbioError(f"embeddings={path}: the column {_COLUMN} must hold lists of one length, not {kind}")

    def batches() -> Iterator[VectorBatch]:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["id", _COLUMN]):
            yield _given(batch, path, device)

    return VectorSource(file.metadata.num_rows, kind.list_size, batches)


def _given(batch: pa.RecordBatch, path: Path, device: torch.device) -> VectorBatch:
    ids = batch.column("id").to_pylist()
    there_N, vectors_nD = read_list_column(batch.column(_COLUMN), path, _COLUMN)
    there = there_N.tolist()
    names = [str(name) for name, known in zip(ids, there, strict=True) if known]
    broken = np.flatnonzero(~np.isfinite(vectors_nD).all(axis=1) | ~vectors_nD.any(axis=1))
    if len(broken):
        raise ClipbioError(
            f"embeddings={path}: the vector of {names[broken[0]]} is not finite, or all zeros; embed it again"
        )
    absent = [Skipped(str(name), "it has no vector") for name, known in zip(ids, there, strict=True) if not known]
    return VectorBatch(names, functional.normalize(torch.from_numpy(vectors_nD).to(device), dim=-1), absent)
