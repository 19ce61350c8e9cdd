"""Embedding runs of a tiny model on a garden that count what is encoded, and may be killed in the middle."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import torch

from clipbio.config import compose, plain
from clipbio.data.datamodule import SpecimenData
from clipbio.distributed import World
from clipbio.models import MultiTower
from clipbio.tasks.building import build_model
from clipbio.tasks.embeddings import EmbeddingCache, embed_splits
from clipbio.tasks.parts import build_cache, build_data
from clipbio.training.encoder import TextEncoder
from clipbio.training.inputs import connect
from clipbio.training.text_store import StoredTexts

CPU = torch.device("cpu")


TEXTS = [f"a photo of plant {number}." for number in range(5)]


def ready(garden: Path, *more: str, world: World | None = None) -> tuple[MultiTower, SpecimenData]:
    """Return a tiny model and the garden's data, connected; batches have 4 rows."""
    return connected(garden, *more, world=world)[:2]


def connected(garden: Path, *more: str, world: World | None = None) -> tuple[MultiTower, SpecimenData, TextEncoder]:
    """Return a tiny model and the garden's data, and what encodes texts."""
    config = plain(compose("evaluate", [
        "model=tiny", "data=table", f"data.root={garden}", f"cache_dir={garden.parent / 'cache'}",
        "data.num_workers=0", "data.evaluation_batch_size=4", "data.max_skipped_share=0.5", *more,
    ]))  # fmt: skip
    world = world or World()
    data, model = build_data(config, world), build_model(config, load_weights=True)
    encoder = connect(model, data, cache=build_cache(config), augmentation=None, splits=(), world=world, device=CPU)
    return model, data, encoder


def count(model: MultiTower, told: Path | None = None, *, die_at: int = 0, modality: str = "image") -> list[int]:
    """Return a list that grows by the rows of each call of a trunk; `told` gets them as lines.

    The process is killed when the call of number `die_at` begins.
    """
    rows: list[int] = []

    def note(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        rows.append(len(inputs[0]))
        if len(rows) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if told is not None:
            with told.open("a") as file:
                file.write(f"{len(inputs[0])}\n")

    model.tower(modality).trunk.register_forward_pre_hook(note)
    return rows


def embed_test(garden: Path, out: Path, rank: int, size: int, die_at: int) -> None:
    """Embed the split `test` in a process of its own: rank 0 saves the vectors as `out`, others what they encode."""
    torch.set_num_threads(1)
    if size > 1:
        from clipbio.distributed import prepare_world

        prepare_world()
        meeting = f"file://{out}.{die_at}.meeting"
        torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
    model, data, encoder = connected(garden, world=World(rank, size, rank, size))
    count(model, Path(f"{out}.{rank}.calls"), die_at=die_at)
    count(model, Path(f"{out}.{rank}.texts"), modality="text")
    cache = EmbeddingCache(garden.parent / "embeddings", part_rows=4)
    found = embed_splits(model, data, ["test"], device=CPU, cache=cache)["test"]
    texts = StoredTexts(encoder, garden.parent / "embeddings")(TEXTS)
    if rank == 0:
        torch.save({"ids": found.images.ids, "vectors": found.images.vectors_ND, "texts": texts}, out)
    if size > 1:
        from clipbio.distributed import leave_world

        torch.distributed.barrier()
        leave_world()
