"""What `embed` encodes: splits of data, or plain pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from clipbio.data.batch import EvaluationBatch
from clipbio.data.datamodule import SpecimenData
from clipbio.data.splits import IntArray
from clipbio.data.stream import loader
from clipbio.data.transforms import ImageTransform
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.embed import Encode
from clipbio.evaluation.store import EmbeddingStore
from clipbio.files import file_state
from clipbio.models import ImageTrunk
from clipbio.tasks.asked import whole_number, worker_count
from clipbio.tasks.embedding_identity import identity_of
from clipbio.tasks.embeddings import fill_split, fill_store
from clipbio.tasks.loading import LoadedModel
from clipbio.tasks.parts import build_cache, build_data
from clipbio.tasks.picture_files import PictureStream, picture_id
from clipbio.training.inputs import connect

__all__ = ["PICTURES", "Encoding", "Wanted", "pictures_wanted", "splits_wanted"]

PICTURES = "images"
Config = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Vectors that become one file.

    `rows` are their numbers and `id_of` says the id of one; `identity` is all that decides the vectors, and `fill`
    encodes what a store of it lacks.
    """

    name: str
    rows: IntArray
    id_of: Callable[[int], str]
    identity: dict[str, Any]
    fill: Callable[[EmbeddingStore], None]
    max_skipped_share: float = 1.0


@dataclass(frozen=True)
class Encoding:
    """A model on its device, what encodes each modality that is wanted, and whether vectors have unit length."""

    loaded: LoadedModel
    encoders: Mapping[str, Encode]
    normalise: bool
    world: World
    device: torch.device


def splits_wanted(config: Config, encoding: Encoding) -> list[Wanted]:
    """Return the splits of the data that are given, or of those that the model was trained with."""
    data_config = config.get("data") or encoding.loaded.config.get("data")
    if data_config is None:
        raise ClipbioError("nothing to embed: give images=[FOLDER], or data=table data.root=FOLDER")
    data = build_data({**config, "data": data_config}, encoding.world)
    connect(
        encoding.loaded.model,
        data,
        cache=build_cache(config),
        augmentation=None,
        splits=(),
        world=encoding.world,
        device=encoding.device,
    )
    _leave_out(data, encoding.encoders)
    given = config["splits"]
    if given is not None and not isinstance(given, list):
        raise ClipbioError(f"splits={given} must be a list, such as [test,unseen]")
    return [_split_wanted(data.split(name).name, data, encoding) for name in given or data.splits]


def _leave_out(data: SpecimenData, encoders: Mapping[str, Encode]) -> None:
    """Read nothing of modalities that are not wanted."""
    data.read_for(list(encoders))
    data.attach(
        image=data.image if "image" in encoders else None,
        evaluation_image=data.evaluation_image if "image" in encoders else None,
        dna=data.dna if "dna" in encoders else None,
        evaluation_dna=data.evaluation_dna if "dna" in encoders else None,
    )


def _split_wanted(name: str, data: SpecimenData, encoding: Encoding) -> Wanted:
    model, split = encoding.loaded.model, data.evaluated(name)

    def fill(store: EmbeddingStore) -> None:
        fill_split(store, model, data, name, encoders=encoding.encoders, device=encoding.device)

    identity = identity_of(model, data, split, normalised=encoding.normalise)
    return Wanted(name, split.rows, lambda row: split.index.ids[row], identity, fill, data.max_skipped_share)


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
