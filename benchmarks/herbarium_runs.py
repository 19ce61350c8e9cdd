"""A training on a table, and how well its search finds species that it has never seen."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import torch

from clipbio.cli import run as run_verb
from clipbio.distributed import World
from clipbio.search.benchmark import SentenceSearch
from clipbio.tasks.building import build_model
from clipbio.tasks.embeddings import measure
from clipbio.tasks.parts import build_cache, build_data
from clipbio.training.checkpoints import checkpoint_path, load_into, read_checkpoint
from clipbio.training.inputs import connect

from herbarium_figures import Answer

__all__ = ["search_answers", "trained"]


def trained(table: Path, run: Path, cache: Path, seed: int, overrides: Sequence[str]) -> Path:
    """Train on a table; a run that was cut short begins anew.

    Args:
        table: A specimen table.
        run: The folder of the run.
        cache: Features of frozen trunks and prepared tables.
        seed: Of weights, order and texts.
        overrides: Further settings, such as the experiment.
    """
    if not _finished(run):
        shutil.rmtree(run, ignore_errors=True)
        settings = [f"data.root={table}", f"seed={seed}", f"run_dir={run}", f"cache_dir={cache}"]
        settings += ["evaluate_splits=[]", "logger=none", "progress=false"]
        if run_verb("train", [*settings, *overrides]):
            sys.exit(f"training in {run} failed")
    return run


def _finished(run: Path) -> bool:
    status = run / "status.json"
    return status.is_file() and json.loads(status.read_text())["state"] == "finished"


def search_answers(
    run: Path, table: Path, cache: Path, halves: Sequence[int], species: Collection[str] | None = None
) -> list[Answer]:
    """Search the split `unseen` of a table with a run.

    Args:
        run: The folder of the run.
        table: The table, which may lie elsewhere than at training.
        cache: Features of frozen trunks and prepared tables.
        halves: Seeds of the cut of the sentences in two.
        species: Those whose sentences are asked; None is all that are searched.
    """
    path = checkpoint_path(run)
    checkpoint = read_checkpoint(path)
    config = {**checkpoint["clipbio"]["config"], "cache_dir": str(cache)}
    config["data"] |= {"root": str(table), "cache_dir": str(cache)}
    world, device = World(), torch.device("cpu")
    data, model = build_data(config, world), build_model(config, load_weights=False)
    load_into(checkpoint, {"model": model}, path, weights="auto")
    encoder = connect(
        model, data, cache=build_cache(config), augmentation=None, splits=["unseen"], world=world, device=device
    )
    split = measure(model, data, splits=["unseen"], benchmarks={}, encoder=encoder, device=device).splits["unseen"]
    found: list[Answer] = []
    for seed in halves:
        result = SentenceSearch(bootstrap=0, seed=seed).run(split, encoder)
        for one in result.answers:
            if one.metric == "mAP":
                chance = result.metrics[f"{one.key}/chance"]
                rows = zip(one.species, one.ids, one.value_N.tolist(), strict=True)
                found += [
                    Answer(one.variant, name, id_, value, chance)
                    for name, id_, value in rows
                    if species is None or name in species
                ]
    return found
