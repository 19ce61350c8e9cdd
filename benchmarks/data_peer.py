"""open_clip's side of the benchmark of the data stream: its own loader on the same tars, with its own transform.

Two things are done for it. Our shards hold JSON instead of captions, so each sample is handed a caption that was
rendered beforehand, which costs a look into a dictionary. And webdataset 1.0 marks the end of each tar, which
open_clip's grouping of members does not know: it is switched off.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import open_clip
import open_clip_train.data as peer
from data_runs import Run
from open_clip.transform import AugmentationCfg, PreprocessCfg, image_transform_v2
from torch import Tensor

__all__ = ["batches"]


def batches(settings: Run) -> Iterator[Tensor]:
    """Yield batches as open_clip's training step reads them: normalised in the workers."""
    captions = json.loads(Path(settings.captions).read_text(encoding="utf-8"))
    peer.tarfile_to_samples_nothrow = partial(_samples, {key: text.encode() for key, text in captions.items()})
    arguments = SimpleNamespace(
        train_data="::".join(settings.tars),
        train_num_samples=settings.total * settings.batch_size,
        train_data_upsampling_factors=None,
        dataset_resampled=False,
        seed=0,
        workers=settings.workers,
        world_size=1,
        batch_size=settings.batch_size,
    )
    transform = image_transform_v2(
        PreprocessCfg(size=settings.image_size), is_train=True, aug_cfg=AugmentationCfg(scale=(0.9, 1.0))
    )
    info = peer.get_wds_dataset(arguments, transform, True, tokenizer=open_clip.get_tokenizer("ViT-B-32"))
    for images, _ in info.dataloader:
        yield images


def _samples(captions: dict[str, bytes], shards: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    streams = peer.url_opener(shards, handler=peer.log_and_continue)
    files = peer.tar_file_expander(streams, handler=peer.log_and_continue, eof_value=None)
    for sample in peer.group_by_keys_nothrow(files, handler=peer.log_and_continue):
        del sample["json"]
        sample["txt"] = captions[sample["__key__"]]
        yield sample
