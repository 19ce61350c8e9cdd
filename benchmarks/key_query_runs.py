"""What the key-query benchmark says of a run, query by query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from clipbio.distributed import World
from clipbio.evaluation.key_query import KeyQueryDetail
from clipbio.tasks.building import build_model
from clipbio.tasks.embeddings import measure
from clipbio.tasks.parts import build_benchmarks, build_cache, build_data
from clipbio.training.checkpoints import checkpoint_path, load_into, read_checkpoint
from clipbio.training.inputs import connect

__all__ = ["key_query_details"]


def key_query_details(
    run: Path, splits: Sequence[str], *, root: Path | None = None, settings: Mapping[str, Any] | None = None
) -> list[KeyQueryDetail]:
    """Ask the queries of some splits with the trained weights of a run.

    Args:
        run: The folder of the run, trained with `benchmark=[key_query]`.
        splits: Splits of queries.
        root: Shards to ask; None is those that the run was trained on.
        settings: Settings of the benchmark that differ from the run's.
    """
    path = checkpoint_path(run)
    checkpoint = read_checkpoint(path)
    config = checkpoint["clipbio"]["config"]
    if root is not None:
        config["data"]["root"] = str(root)
    config["benchmark"]["key_query"] |= settings or {}
    world, device = World(), torch.device("cpu")
    data, model = build_data(config, world), build_model(config, load_weights=False)
    load_into(checkpoint, {"model": model}, path, weights="trained")
    encoder = connect(
        model, data, cache=build_cache(config), augmentation=None, splits=splits, world=world, device=device
    )
    benchmarks = build_benchmarks(config, ["key_query"])
    found = measure(model, data, splits=splits, benchmarks=benchmarks, encoder=encoder, device=device)
    return [detail for detail in found.result.details if isinstance(detail, KeyQueryDetail)]
