"""Our side of the benchmark of the data stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
from data_runs import Run
from data_sets import TEXT
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor, nn

from clipbio.data.builder import BatchBuilder
from clipbio.data.inputs import ImageInput, ModelInputs, TextInput
from clipbio.data.order import BatchPlan
from clipbio.data.shards import ShardFolder
from clipbio.data.stream import TrainStream, loader
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.distributed import World
from clipbio.models import Tokenizer
from clipbio.models.trunks import ImageSpec, ImageTrunk

from training_data import regime

__all__ = ["batches"]


def batches(settings: Run) -> Iterator[Tensor]:
    """Yield batches as a training step reads them: uint8 pixels from the workers, normalised by the trunk."""
    index = ShardFolder.open(Path(settings.root)).index("train")
    size = settings.image_size
    spec = ImageSpec(size=(size, size), mean=OPENAI_DATASET_MEAN, std=OPENAI_DATASET_STD)
    trunk = ImageTrunk(nn.Identity(), width=1, spec=spec, config={})
    encode = open_clip.get_tokenizer("ViT-B-32")
    builder = BatchBuilder(
        index,
        np.arange(len(index)),
        BatchPlan(index.shard_N, batch_size=settings.batch_size, seed=0),
        ModelInputs(
            ImageInput(ImageTransform(spec, Augmentation(scale=(0.9, 1.0)))),
            TextInput(Tokenizer(encode, context_length=encode.context_length, pad_id=0)),
        ),
        regime(TEXT),
    )
    stop = settings.start + settings.total
    stream = TrainStream({"default": [builder]}, world=World(), start=settings.start, stop=stop)
    batch_bytes = 3 * size * size * settings.batch_size
    for step in loader(stream, num_workers=settings.workers, context="fork", batch_bytes=batch_bytes):
        yield trunk.normalise(step["default"]["inputs"]["image"])
