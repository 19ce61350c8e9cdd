"""What `embed` encodes: splits of data, or plain pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from clipbio.data.batch import EvaluationBatch, Skipped
from clipbio.data.datamodule import SpecimenData
from clipbio.data.splits import IntArray, SplitRows
from clipbio.data.stream import loader
from clipbio.data.transforms import ImageTransform
from clipbio.distributed import World
from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.embed import Collector, Encode, Gathered
from clipbio.evaluation.store import EmbeddingStore
from clipbio.files import file_state
from clipbio.models import ImageTrunk, MultiTower
from clipbio.tasks.asked import whole_number, worker_count
from clipbio.tasks.embedding_identity import identity_of
from clipbio.tasks.embeddings import fill_split, fill_store
from clipbio.tasks.loading import LoadedModel
from clipbio.tasks.parts import build_cache, build_data
from clipbio.tasks.picture_files import PictureStream, picture_id
from clipbio.training.encoder import TextEncoder
from clipbio.training.inputs import connect

__all__ = ["PICTURES", "Encoding", "Wanted", "modalities_of", "open_data", "pictures_wanted", "splits_wanted"]

PICTURES = "images"
Config = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Vectors that become one file.

    `rows` are their numbers and `id_of` says the id of one; `identity` is all that decides the vectors, and `fill`
    encodes what a store of it lacks. `split` is where they come from, unless they are plain pictures.
    """

    name: str
    rows: IntArray
    id_of: Callable[[int], str]
    identity: dict[str, Any]
    fill: Callable[[EmbeddingStore], None]
    max_skipped_share: float = 1.0
    split: SplitRows | None = None

    def skipped(self, store: EmbeddingStore) -> list[Skipped]:
        """Return of what something could not be read.

        Raises:
            ClipbioError: Rows are missing in the store, or too many or all could not be read.
        """
        parts, skipped = store.read_rows(self.rows)
        self._collector.check(np.concatenate([np.empty(0, np.int64), *(part.rows_B for part in parts)]), skipped)
        if not parts and skipped:
            first = skipped[0][1]
            raise ClipbioError(f"{self.name}: none of {len(self.rows)} could be read; {first.id}: {first.reason}")
        return [item for _, item in skipped]

    def chunks(self, store: EmbeddingStore, size: int) -> Iterator[Gathered]:
        """Yield the vectors in the order of their rows, some at a time; `ClipbioError` if they are not finite."""
        for found in store.chunks(self.rows, size):
            self._collector.check_finite(found.vectors)
            yield found

    @property
    def _collector(self) -> Collector:
        return Collector(self.name, self.rows, self.max_skipped_share)


@dataclass(frozen=True)
class Encoding:
    """A model on its device, what encodes each modality that is wanted, and whether vectors have unit length."""

    loaded: LoadedModel
    encoders: Mapping[str, Encode]
    normalise: bool
    world: World
    device: torch.device


def modalities_of(model: MultiTower, given: Any, *, pictures: bool = False) -> list[str]:
    """Return what is encoded: what is given as `modalities`, None is all that the model encodes beside text.

    Args:
        model: The model.
        given: A name or a list.
        pictures: Whether plain pictures are encoded, which have no barcodes.
    """
    known = [name for name in ["image", "dna"] if name in model.modalities and not (pictures and name == "dna")]
    chosen: list[str] = known if given is None else [given] if isinstance(given, str) else list(given)
    for name in chosen:
        if name not in known:
            raise ClipbioError(f"modalities: '{name}' cannot be encoded here{nearest(str(name), known)}")
    if not chosen:
        raise ClipbioError(f"nothing to encode: the model encodes {', '.join(model.modalities)}")
    return chosen


def open_data(config: Config, encoding: Encoding) -> tuple[SpecimenData, TextEncoder]:
    """Return the data that are given, else those of the model's run, joined to the model; and what encodes texts."""
    data_config = config.get("data") or encoding.loaded.config.get("data")
    if data_config is None:
        raise ClipbioError("nothing to embed: give images=[FOLDER], or data=table data.root=FOLDER")
    data = build_data({**config, "data": data_config}, encoding.world)
    encoder = connect(
        encoding.loaded.model,
        data,
        cache=build_cache(config),
        augmentation=None,
        splits=(),
        world=encoding.world,
        device=encoding.device,
    )
    _leave_out(data, encoding.encoders)
    return data, encoder


def splits_wanted(
    data: SpecimenData, names: Any, encoding: Encoding, keep: Callable[[str], bool] | None = None
) -> list[Wanted]:
    """Return splits of data.

    Args:
        data: From `open_data`.
        names: What is given as `splits`; None is all.
        encoding: What encodes them.
        keep: Tells of an id whether it is wanted; None is all.
    """
    if names is not None and not isinstance(names, list):
        raise ClipbioError(f"splits={names} must be a list, such as [test,unseen]")
    return [_split_wanted(data.split(name).name, data, encoding, keep) for name in names or data.splits]


def _leave_out(data: SpecimenData, encoders: Mapping[str, Encode]) -> None:
    """Read nothing of modalities that are not wanted."""
    data.read_for(list(encoders))
    data.attach(
        image=data.image if "image" in encoders else None,
        evaluation_image=data.evaluation_image if "image" in encoders else None,
        dna=data.dna if "dna" in encoders else None,
        evaluation_dna=data.evaluation_dna if "dna" in encoders else None,
    )


def _split_wanted(name: str, data: SpecimenData, encoding: Encoding, keep: Callable[[str], bool] | None) -> Wanted:
    model, split = encoding.loaded.model, data.evaluated(name)
    if keep is not None:
        kept = [row for row in split.rows.tolist() if keep(split.index.ids[row])]
        split = SplitRows(split.name, split.index, np.array(kept, np.int64))

    def fill(store: EmbeddingStore) -> None:
        fill_split(store, model, data, split, encoders=encoding.encoders, device=encoding.device)

    identity = identity_of(model, data, split, normalised=encoding.normalise)
    ids = split.index.ids
    return Wanted(name, split.rows, ids.__getitem__, identity, fill, data.max_skipped_share, split)


def pictures_wanted(config: Config, paths: Sequence[str], encoding: Encoding) -> Wanted:
    """Return pictures by their paths."""
    tower = encoding.loaded.model.tower("image")
    if not isinstance(tower.trunk, ImageTrunk):
        raise ClipbioError("the tower 'image' of the model does not encode images")
    transform = ImageTransform(tower.trunk.spec, decoder=str(config["decoder"]))
    world, rows = encoding.world, np.arange(len(paths), dtype=np.int64)
    size, workers = (
        whole_number(config["batch_size"], "batch_size"),
        worker_count(config["num_workers"], "num_workers", world),
    )
    if size < 1:
        raise ClipbioError(f"batch_size={size} must be 1 or more")

    def batches(due: IntArray) -> Iterable[EvaluationBatch]:
        return loader(PictureStream(paths, due, transform, world=world, batch_size=size), num_workers=workers)

    def fill(store: EmbeddingStore) -> None:
        fill_store(store, rows, batches, name=PICTURES, encoders=encoding.encoders, world=world, device=encoding.device)

    identity = {
        "weights": {"image": tower.vector_fingerprint()},
        "transform": transform.identity,
        "precision": torch.get_float32_matmul_precision(),
        "normalised": encoding.normalise,
        "content": _state_of(paths),
    }
    return Wanted(PICTURES, rows, lambda row: picture_id(paths[row]), identity, fill)


def _state_of(paths: Sequence[str]) -> str:
    """Return a hash of paths, sizes and times."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{picture_id(path)}\0{file_state(path)}\0".encode())
    return digest.hexdigest()
