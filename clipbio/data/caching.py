"""Fill feature stores with the output of frozen trunks, once for each distinct input."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import Progress
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from clipbio.data.batch import UNUSABLE
from clipbio.data.inputs import BarcodeInput, ImageInput, TextInput, Tokenizer
from clipbio.data.shards import ShardError, ShardIndex
from clipbio.data.stream import loader
from clipbio.distributed import World, barrier, broadcast
from clipbio.dna import BadBarcode, clean_barcode
from clipbio.features import FeatureStore, key_of
from clipbio.progress import progress_bar

__all__ = ["fill_barcodes", "fill_images", "fill_texts"]

log = logging.getLogger(__name__)

Encode = Callable[[Tensor], Tensor]
_IMAGES_PER_BATCH = 64
_TEXTS_PER_BATCH = 256
_ROWS_PER_SEGMENT = 2048


@dataclass(frozen=True, slots=True)
class _Job:
    """One image, or one numbered view of it, whose features are missing."""

    index: ShardIndex
    row: int
    view: int | None
    key: bytes


def fill_images(
    image: ImageInput,
    store: FeatureStore,
    parts: Iterable[tuple[ShardIndex, npt.NDArray[np.int64], bool]],
    encode: Encode,
    *,
    world: World,
    num_workers: int,
) -> None:
    """Encode every image of some rows that the store lacks.

    Args:
        image: How images become pixels.
        store: Where features go.
        parts: Index, rows, and whether these rows are seen through the cached views (training) or as they are.
        encode: Frozen trunk: uint8 pixels (B, 3, H, W) to features (B, F).
        world: This process; each encodes its share.
        num_workers: Decoding processes.
    """
    jobs = _missing_jobs(image, store, parts)
    barrier()
    if jobs:
        log.info("encoding %d images once; later runs read them from %s", len(jobs), store.folder)
    batches = loader(_Views(image, jobs[world.rank :: world.size]), num_workers=num_workers)
    with progress_bar(enabled=world.is_main and bool(jobs)) as bar:
        task = bar.add_task("encode images", total=len(jobs[world.rank :: world.size]))
        with _Segments(store) as segments:
            for keys, pixels in batches:
                if keys:
                    segments.add(keys, encode(pixels))
                bar.advance(task, _IMAGES_PER_BATCH)
    barrier()
    store.refresh()


def fill_texts(
    text: TextInput, store: FeatureStore, texts: Iterable[str], encode: Encode, *, world: World, show: bool = True
) -> None:
    """Encode every text that the store lacks, each process its share.

    Args:
        text: How texts become tokens.
        store: Where features go.
        texts: All texts that will be needed, repeats allowed.
        encode: Frozen trunk: tokens (B, L) to features (B, F).
        world: This process.
        show: Whether to draw a progress bar.
    """
    own = _own_missing(store, texts, world)
    with progress_bar(enabled=show and world.is_main and len(own) > _TEXTS_PER_BATCH) as bar:
        _encode_strings(text.tokenizer, store, own, encode, bar, "encode texts")
    barrier()
    store.refresh()


def fill_barcodes(
    dna: BarcodeInput,
    store: FeatureStore,
    parts: Iterable[tuple[ShardIndex, npt.NDArray[np.int64]]],
    encode: Encode,
    *,
    world: World,
) -> None:
    """Encode every barcode of some rows that the store lacks, each process its share; what is none stays missing.

    Args:
        dna: How barcodes become tokens.
        store: Where features go.
        parts: Index and rows.
        encode: Frozen trunk: tokens (B, L) to features (B, F).
        world: This process.
    """
    own = _own_missing(store, _barcodes(parts), world)
    with progress_bar(enabled=world.is_main and len(own) > _TEXTS_PER_BATCH) as bar:
        _encode_strings(dna.tokenizer, store, own, encode, bar, "encode barcodes")
    barrier()
    store.refresh()


def _barcodes(parts: Iterable[tuple[ShardIndex, npt.NDArray[np.int64]]]) -> Iterator[str]:
    for index, rows in parts:
        for row in map(int, rows):
            if not index.dna_digests[row]:
                continue
            try:
                barcode = index.read(row, image=False).dna
                clean_barcode(barcode)
            except (ShardError, BadBarcode):
                continue
            yield barcode


def _own_missing(store: FeatureStore, strings: Iterable[str], world: World) -> list[str]:
    """Return this process's share of the strings that the store lacks."""
    by_key = {key_of(item): item for item in dict.fromkeys(strings)}
    # One answer for all: another run may be writing into the same store.
    wanted = [by_key[key] for key in broadcast(store.missing(list(by_key)))]
    barrier()
    # Similar lengths together: little padding, and the order of encoding changes nothing.
    return sorted(wanted, key=len)[world.rank :: world.size]


def _encode_strings(
    tokenizer: Tokenizer, store: FeatureStore, strings: Sequence[str], encode: Encode, bar: Progress, told: str
) -> None:
    task = bar.add_task(told, total=len(strings))
    with _Segments(store) as segments:
        for start in range(0, len(strings), _TEXTS_PER_BATCH):
            piece = strings[start : start + _TEXTS_PER_BATCH]
            segments.add([key_of(item) for item in piece], encode(tokenizer(list(piece))))
            bar.advance(task, len(piece))


class _Segments:
    """Put rows into a store some thousands at a time: few large files, and little lost when a run is killed."""

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self.keys: list[bytes] = []
        self.rows: list[Tensor] = []

    def __enter__(self) -> _Segments:
        return self

    def add(self, keys: Sequence[bytes], rows_BF: Tensor) -> None:
        """Keep rows, and write them when there are enough."""
        self.keys.extend(keys)
        self.rows.append(rows_BF.float().cpu())
        if len(self.keys) >= _ROWS_PER_SEGMENT:
            self._write()

    def __exit__(self, *exception: object) -> None:
        self._write()

    def _write(self) -> None:
        if self.keys:
            self.store.put(self.keys, torch.cat(self.rows).numpy())
        self.keys, self.rows = [], []


def _missing_jobs(
    image: ImageInput, store: FeatureStore, parts: Iterable[tuple[ShardIndex, npt.NDArray[np.int64], bool]]
) -> list[_Job]:
    jobs: dict[bytes, _Job] = {}
    for index, rows, training in parts:
        for row in map(int, rows):
            digest = index.image_digests[row]
            if not digest:
                continue
            for view in range(image.views) if training and image.views else (None,):
                key = digest if view is None else image.view_key(digest, view)
                jobs.setdefault(key, _Job(index, row, view, key))
    # One answer for all: another run may be writing into the same store.
    return [jobs[key] for key in broadcast(store.missing(list(jobs)))]


class _Views(IterableDataset[tuple[list[bytes], Tensor]]):
    """Batches of pixels with their cache keys; what cannot be decoded is left out and stays missing."""

    def __init__(self, image: ImageInput, jobs: Sequence[_Job]) -> None:
        self.image = image
        self.jobs = jobs

    def __iter__(self) -> Iterator[tuple[list[bytes], Tensor]]:
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        batches = range(0, len(self.jobs), _IMAGES_PER_BATCH)
        for start in batches[worker::workers]:
            pairs = [pair for job in self.jobs[start : start + _IMAGES_PER_BATCH] if (pair := self._pixels(job))]
            keys = [key for key, _ in pairs]
            yield keys, torch.stack([pixels for _, pixels in pairs]) if pairs else torch.empty(0, dtype=torch.uint8)

    def _pixels(self, job: _Job) -> tuple[bytes, Tensor] | None:
        try:
            image = job.index.read(job.row).image
            if not isinstance(image, bytes):
                return None
            digest = job.index.image_digests[job.row]
            if job.view is None:
                return job.key, self.image.transform(image)
            return job.key, self.image.view(image, digest, job.view)
        except UNUSABLE:
            return None
