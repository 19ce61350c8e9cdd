"""Splits to embeddings: encoded once, exactly, by any number of processes, and kept on disk for the next time."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clipbio.data.batch import EvaluationBatch
from clipbio.data.datamodule import SpecimenData
from clipbio.data.splits import IntArray, SplitRows
from clipbio.distributed import World, barrier, broadcast
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import (
    AnyBenchmark,
    EncodeText,
    Looking,
    Result,
    further_splits,
    run_benchmarks,
)
from clipbio.evaluation.embed import Collector, Encode, Gathered, embed, encode_batch
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.given import GivenEmbeddings
from clipbio.evaluation.joining import Joiner
from clipbio.evaluation.split_facts import SplitFacts, split_facts
from clipbio.evaluation.store import EmbeddingStore, Identity
from clipbio.models import MultiTower
from clipbio.progress import progress_bar
from clipbio.tasks.asked import flag
from clipbio.tasks.embedding_identity import identity_of
from clipbio.tasks.exchange import SavedEmbeddings, given_splits
from clipbio.training.encoder import TextEncoder
from clipbio.training.inputs import fill_features
from clipbio.training.text_store import StoredTexts

__all__ = [
    "EmbeddingCache",
    "Measured",
    "embed_splits",
    "embedding_cache",
    "fill_split",
    "fill_store",
    "kept_or_not",
    "measure",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbeddingCache:
    """Where embeddings are kept.

    Args:
        folder: Parent of one folder per model and split; None keeps nothing.
        part_rows: Rows after which a process writes what it has.
        part_seconds: Seconds after which it does so.
    """

    folder: Path | None = None
    part_rows: int = 8192
    part_seconds: float = 60.0

    def store(self, identity: Identity) -> EmbeddingStore:
        """Return the store of an identity."""
        if self.folder is None:
            raise ValueError("this cache has no folder")
        return EmbeddingStore(self.folder, identity, part_rows=self.part_rows, part_seconds=self.part_seconds)


NOTHING_KEPT = EmbeddingCache()


@dataclass(frozen=True)
class Measured:
    """Splits that were judged, those they were compared with, and what came of it."""

    splits: Mapping[str, SplitData]
    further: Mapping[str, SplitData]
    result: Result

    @property
    def skipped(self) -> dict[str, dict[str, str]]:
        """Give the reason for each id of which something could not be read, by split."""
        return {name: dict(data.unreadable) for name, data in {**self.splits, **self.further}.items()}

    @cached_property
    def facts(self) -> dict[str, SplitFacts]:
        """Give what each split holds, with hashes."""
        return {name: split_facts(data) for name, data in {**self.splits, **self.further}.items()}


def measure(
    model: MultiTower | None,
    data: SpecimenData,
    *,
    splits: Sequence[str],
    benchmarks: Mapping[str, AnyBenchmark],
    encoder: TextEncoder | None,
    device: torch.device,
    cache: EmbeddingCache = NOTHING_KEPT,
    given: GivenEmbeddings | None = None,
    saved: SavedEmbeddings | None = None,
    called: Callable[[str], str] = str,
) -> Measured:
    """Embed splits, and those that benchmarks compare them with, and run the benchmarks.

    Args:
        model: Towers; None where all vectors are given.
        data: What holds the splits.
        splits: Splits that are judged.
        benchmarks: Benchmarks by name.
        encoder: Texts to vectors; None without a model.
        device: Where towers run.
        cache: Where embeddings are kept.
        given: Vectors that are taken instead of encoding.
        saved: Where vectors are written.
        called: What the file of a split is called there.
    """
    further = further_splits(benchmarks, splits, data.splits)
    names = [*splits, *further]
    if given is not None:
        found = given_splits(data, names, given, called)
    elif model is not None:
        found = embed_splits(model, data, names, device=device, cache=cache)
    else:
        raise ValueError("neither a model nor vectors are given")
    encode_text = _encode_text(encoder, cache, given)
    if saved is not None:
        for name, one in found.items():
            known = {} if model is None else identity_of(model, data, data.evaluated(name))
            saved.add(called(name), one, known)
        encode_text = saved.texts(encode_text)
    judged = {name: found[name] for name in splits}
    compared = {name: found[name] for name in further}
    looking = None if model is None else Looking(model, {name: data.evaluated(name) for name in splits})
    result = run_benchmarks(benchmarks, judged.values(), encode_text, further=compared.values(), looking=looking)
    return Measured(judged, compared, result)


def _encode_text(encoder: TextEncoder | None, cache: EmbeddingCache, given: GivenEmbeddings | None) -> EncodeText:
    if given is not None and (given.has_texts or encoder is None):
        return given.encode_text
    if encoder is None:
        raise ValueError("nothing encodes texts")
    return encoder if cache.folder is None else StoredTexts(encoder, cache.folder)


def embedding_cache(config: Mapping[str, Any]) -> EmbeddingCache:
    """Return where a config keeps embeddings."""
    if not flag(config["cache_embeddings"], "cache_embeddings"):
        return NOTHING_KEPT
    return EmbeddingCache(Path(config["cache_dir"]).expanduser() / "embeddings")


@contextlib.contextmanager
def kept_or_not(config: Mapping[str, Any], temporary: Path, world: World) -> Iterator[EmbeddingCache]:
    """Give where a config keeps embeddings, or else a folder that is gone afterwards."""
    cache = embedding_cache(config)
    if cache.folder is not None:
        yield cache
        return
    try:
        yield EmbeddingCache(temporary)
    finally:
        if world.is_main:
            shutil.rmtree(temporary, ignore_errors=True)


def embed_splits(
    model: MultiTower,
    data: SpecimenData,
    names: Sequence[str],
    *,
    device: torch.device,
    cache: EmbeddingCache = NOTHING_KEPT,
) -> dict[str, SplitData]:
    """Return splits ready for benchmarks, on every process; each specimen is encoded once, or was before.

    Args:
        model: Towers; images and barcodes are encoded.
        data: What holds the splits, connected with the model (`clipbio.training.inputs.connect`).
        names: Splits.
        device: Where towers run.
        cache: Where embeddings are kept.

    Raises:
        ClipbioError: A split cannot be evaluated: see `Collector.join`.
    """
    model.to(device).eval()
    join = Joiner(list(data.splits.values()))
    return {name: join(data.evaluated(name), _gathered(model, data, name, device, cache)) for name in names}


def _gathered(
    model: MultiTower, data: SpecimenData, name: str, device: torch.device, cache: EmbeddingCache
) -> Gathered:
    split = data.evaluated(name)
    collector = Collector(name, split.rows, data.max_skipped_share)
    encoders = {modality: model.tower(modality) for modality in model.modalities}
    if cache.folder is None:
        fill_features(model, data, [split], world=data.world, device=device)
        embed(encoders, _shown(data.evaluation_loader(name), name, len(split), data.world), collector, device=device)
        return collector.gather()
    store = cache.store(identity_of(model, data, split))
    fill_split(store, model, data, split, encoders=encoders, device=device)
    return _read(store, collector)


def fill_split(
    store: EmbeddingStore,
    model: MultiTower,
    data: SpecimenData,
    split: SplitRows,
    *,
    encoders: Mapping[str, Encode],
    device: torch.device,
) -> None:
    """Encode what a store lacks of a split, or of some rows of it.

    Args:
        store: Where vectors go.
        model: Towers, on `device`.
        data: What holds the split, connected with the model.
        split: Rows that the model can encode (`SpecimenData.evaluated`).
        encoders: What turns the inputs of each modality into vectors.
        device: Where towers run.
    """

    def batches(due: IntArray) -> Iterable[EvaluationBatch]:
        fill_features(model, data, [SplitRows(split.name, split.index, due)], world=data.world, device=device)
        return data.evaluation_loader(split.name, due)

    fill_store(store, split.rows, batches, name=split.name, encoders=encoders, world=data.world, device=device)


def fill_store(
    store: EmbeddingStore,
    rows: IntArray,
    batches: Callable[[IntArray], Iterable[EvaluationBatch]],
    *,
    name: str,
    encoders: Mapping[str, Encode],
    world: World,
    device: torch.device,
) -> None:
    """Encode those rows that a store lacks; every process calls it, and then all rows are finished.

    Args:
        store: Where vectors go.
        rows: Rows that are wanted.
        batches: Gives this process's share of the batches of some rows.
        name: What the rows are called.
        encoders: What turns the inputs of each modality into vectors.
        world: This process.
        device: Where encoders run.
    """
    # The same for all processes, though another run may be writing.
    due: IntArray = broadcast(np.setdiff1d(rows, store.finished()) if world.is_main else np.empty(0, np.int64))
    if world.is_main:
        log.info("%s: %d of %d are embedded already, in %s", name, len(rows) - len(due), len(rows), store.folder)
        if lost := len(store.read_rows(rows)[1]):
            log.info("%s: %d could not be read and are not tried again; delete that folder to try them", name, lost)
    if len(due):
        with store:
            _encode(encoders, _shown(batches(due), name, len(due), world), store, device)
    barrier()


def _shown(batches: Iterable[EvaluationBatch], name: str, rows: int, world: World) -> Iterable[EvaluationBatch]:
    """Hand batches on, and show how far this process is."""
    with progress_bar(enabled=world.is_main) as bar:
        task = bar.add_task(f"embed {name}", total=-(-rows // world.size))
        for batch in batches:
            yield batch
            bar.advance(task, len(batch["rows_B"]))


@torch.inference_mode()
def _encode(
    encoders: Mapping[str, Encode], batches: Iterable[EvaluationBatch], store: EmbeddingStore, device: torch.device
) -> None:
    for batch in batches:
        store.add(batch, encode_batch(encoders, batch, device))


def _read(store: EmbeddingStore, collector: Collector) -> Gathered:
    """Return the rows of a split out of a store, which may hold more of the same index."""
    parts, skipped = store.read_rows(collector.expected)
    found = sum(len(part.rows_B) for part in parts) + len(skipped)
    if found < len(collector.expected):
        raise ClipbioError(
            f"{store.folder} lacks embeddings that another process has written: give a cache_dir that all machines "
            "share, or cache_embeddings=false"
        )
    return collector.join(parts, skipped)
