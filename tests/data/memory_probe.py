"""Read many samples of a shard folder and print how much the memory of this process grew: `memory_probe.py ROOT CACHE N`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from clipbio.data.builder import BatchBuilder
from clipbio.data.inputs import ImageInput, ModelInputs, TextInput
from clipbio.data.order import BatchPlan
from clipbio.data.remote import RemoteOptions
from clipbio.data.shards import resolve
from clipbio.data.stream import TrainStream
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.distributed import World
from clipbio.models.trunks import ImageSpec
from clipbio.text import TextRegime

BATCH, CACHED_SHARDS = 20, 2


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


def stream(root: str, cache: str, samples: int) -> TrainStream:
    """Return a stream of so many samples, with room for two shards if they stand elsewhere."""
    folder = resolve(root, cache)
    room = CACHED_SHARDS * max(shard.bytes for shard in folder.manifest.shards)
    index = resolve(root, cache, remote=RemoteOptions(cache_gb=room / 1e9)).index("train")
    image = ImageInput(ImageTransform(ImageSpec((16, 16), (0.5,) * 3, (0.5,) * 3), Augmentation(scale=(0.5, 1.0))))
    text = TextInput(lambda texts: torch.zeros(len(texts), 8, dtype=torch.int64))
    plan = BatchPlan(index.shard_N, batch_size=BATCH, seed=0, window=CACHED_SHARDS)
    regime = TextRegime({"common": 1, "scientific": 1})
    builder = BatchBuilder(index, np.arange(len(index)), plan, ModelInputs(image, text), regime)
    return TrainStream({"default": [builder]}, world=World(), start=0, stop=samples // BATCH)


def main() -> None:
    """Print samples, and resident bytes after the first fifth and at the end, as JSON."""
    root, cache, samples = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(1)
    read, first = 0, 0
    for batches in stream(root, cache, samples):
        read += len(batches["default"]["ids"])
        if not first and read >= samples // 5:
            first = resident()
    sys.stdout.write(json.dumps({"samples": read, "first": first, "last": resident()}))


if __name__ == "__main__":
    main()
