"""Training of a segmenter of organs, and its figures."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from clipbio.config import instantiate
from clipbio.data.datamodule import SpecimenData
from clipbio.data.masks import masks_of
from clipbio.data.modalities import encodable
from clipbio.data.splits import SplitRows
from clipbio.data.views import into_view
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.figures import Figure, flatten, write_metrics
from clipbio.files import write_json
from clipbio.organs.measures import OrganScores
from clipbio.organs.panel import Example, write_panel
from clipbio.organs.seeing import prior_numbers, sight
from clipbio.organs.segmenter import Segmenter, SegmenterOptions, load_segmenter, save_segmenter
from clipbio.organs.training import OrganModule, fitting_prior
from clipbio.organs.views import OrganViews, check_labels, check_masks, masked, true_numbers
from clipbio.provenance import provenance
from clipbio.seeding import derive_seed
from clipbio.tasks.asked import report_folder, whole_number
from clipbio.tasks.building import device_of
from clipbio.tasks.organs_data import chosen_splits, organ_data, organ_transform
from clipbio.tasks.trainer import quieten_lightning
from clipbio.training.loggers import JsonLinesLogger
from clipbio.training.progress import RunProgressBar
from clipbio.training.run import RunFolder

__all__ = ["evaluate", "train"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]

_MEASURED = ("test", "unseen")
_COUNTED = 400  # train masks from which the layout is learnt
_SHOWN = 7


def train(config: Config) -> dict[str, float]:
    """Train a segmenter, write it into a run folder, and measure it."""
    steps = whole_number(config["steps"], "steps")
    if steps < 1:
        raise ClipbioError(f"steps={steps} must be at least 1")
    options = instantiate(config["segmenter"], "segmenter")
    assert isinstance(options, SegmenterOptions)
    data, folder, started = organ_data(config), RunFolder(Path(config["run_dir"]).expanduser()), time.monotonic()
    split = _taught(data, progress=bool(config["progress"]))
    labels = check_labels(config["labels"], check_masks(split))
    folder.open(config, "never", remedy="another run_dir=")
    torch.manual_seed(derive_seed(int(config["seed"]), "organs", "weights") % 2**63)
    segmenter = options.build(labels)
    count_Lhw, total = _counted(segmenter, split)
    segmenter.prior_Lhw.copy_(fitting_prior(count_Lhw, total))
    module = OrganModule(
        segmenter,
        lr=float(config["lr"]),
        weight_decay=float(config["weight_decay"]),
        steps=steps,
    )
    _fit(config, module, data, split, folder)
    save_segmenter(segmenter, folder.last, config=config)
    metrics = _measured(config, segmenter, data, folder.path)
    seconds = round(time.monotonic() - started, 1)
    facts = provenance(seed=config["seed"], data_manifest=data.folder.manifest.hash, seconds=seconds, exit_status=0)
    write_json(folder.path / "run.json", facts)
    folder.write_status("finished", steps=steps)
    log.info("%s: %d steps in %.0f s", folder.path, steps, seconds)
    return metrics


def evaluate(config: Config) -> dict[str, float]:
    """Measure a segmenter on the masks of other data."""
    segmenter, out = load_segmenter(config["checkpoint"]), report_folder(config["out"])
    return _measured(config, segmenter, organ_data(config), out)


def _taught(data: SpecimenData, *, progress: bool) -> SplitRows:
    """Return the train specimens with picture and mask."""
    whole, manifest = data.split("train"), data.folder.manifest
    split = SplitRows(whole.name, whole.index, encodable(whole, ["image"]))
    # Where few sheets of many are annotated, most batches would teach nothing.
    return split if manifest.masks >= manifest.images else masked(split, progress=progress)


def _fit(config: Config, module: OrganModule, data: SpecimenData, split: SplitRows, folder: RunFolder) -> None:
    quieten_lightning()
    segmenter, steps, seed = module.segmenter, module.steps, int(config["seed"])
    transform = organ_transform(segmenter, data, instantiate(config["augmentation"], "augmentation"))
    views = OrganViews(split, segmenter.labels, transform, length=steps * data.batch_size, seed=seed)
    loader = DataLoader(views, batch_size=data.batch_size, num_workers=data.num_workers(None))
    trainer = pl.Trainer(
        **{key: value for key, value in config["trainer"].items() if key != "_target_"},
        max_steps=steps,
        log_every_n_steps=int(config["log_every"]),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=bool(config["progress"]),
        callbacks=[RunProgressBar()] if config["progress"] else [],
        logger=JsonLinesLogger(folder.metrics_log),
        default_root_dir=str(folder.path),
    )
    segmenter.train()
    trainer.fit(module, loader)
    if trainer.global_step < steps:
        raise KeyboardInterrupt


def _counted(segmenter: Segmenter, split: SplitRows) -> tuple[torch.Tensor, int]:
    """Return in how many masks, of so many spread over a split, each pixel of the view has each label."""
    count_Lhw, total = torch.zeros(segmenter.prior_Lhw.shape, dtype=torch.int64), 0
    for row in split.rows[:: max(1, len(split) // _COUNTED)]:
        numbers_HW = true_numbers(split.index.read(int(row)), segmenter.labels)
        if numbers_HW is None:
            continue
        seen_hw = into_view(numbers_HW, segmenter.spec)
        count_Lhw += torch.from_numpy(np.stack([seen_hw == place for place in range(1, len(count_Lhw) + 1)]))
        total += 1
    return count_Lhw, total


def _measured(config: Config, segmenter: Segmenter, data: SpecimenData, out: Path | None) -> dict[str, float]:
    """Measure on splits, print a table, and write figures and a panel."""
    figures: list[Figure] = []
    examples: list[Example] = []
    for split in chosen_splits(data, config["splits"], _MEASURED):
        scores = OrganScores(segmenter.labels, resamples=int(config["bootstrap"]), seed=int(config["seed"]))
        examples = _score(config, segmenter, data, split, scores)
        if not len(scores):
            log.warning("no specimen of '%s' has a mask: it is not measured", split.name)
        figures += scores.figures("organs", split.name)
    metrics = flatten(figures)
    _print(figures)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_metrics(out / "metrics.json", metrics)
        if examples:
            write_panel(out / "panel.png", examples, segmenter.labels)
    return metrics


def _score(
    config: Config, segmenter: Segmenter, data: SpecimenData, split: SplitRows, scores: OrganScores
) -> list[Example]:
    """Add the specimens of a split to scores; return some of them, spread over the split."""
    examples: list[Example] = []
    every = max(1, len(split) // _SHOWN)
    for place, seen in enumerate(
        sight(
            segmenter,
            split,
            organ_transform(segmenter, data),
            batch_size=data.evaluation_batch_size,
            device=device_of(str(config["trainer"]["accelerator"]), World()),
            masked=True,
            progress=bool(config["progress"]),
        )
    ):
        truth = masks_of(seen.specimen)
        empty_HW = np.zeros(seen.numbers_HW.shape, bool)
        priors = prior_numbers(segmenter, seen.size)
        scores.add(
            {label: truth.get(label, empty_HW) for label in segmenter.labels},
            {label: seen.numbers_HW == number for number, label in enumerate(segmenter.labels, 1)},
            dict(zip(segmenter.labels, priors, strict=True)),
        )
        if place % every == 0 and len(examples) < _SHOWN and isinstance(seen.specimen.image, bytes):
            true_HW = true_numbers(seen.specimen, segmenter.labels)
            assert true_HW is not None
            examples.append((seen.specimen.image, true_HW, seen.numbers_HW))
    return examples


def _print(figures: Sequence[Figure]) -> None:
    table = Table("split", "organ", "IoU", "95 %", "layout alone", "chance", "sheets", title_justify="left")
    layout = {(one.split, one.variant): one.value for one in figures if one.metric == "prior_iou"}
    for one in figures:
        if one.metric == "iou":
            interval = f"{one.low:.3f} to {one.high:.3f}" if one.low is not None else ""
            values = (one.value, layout[one.split, one.variant], one.chance)
            iou, prior, chance = (f"{value:.3f}" for value in values)
            table.add_row(one.split, one.variant, iou, interval, prior, chance, str(one.n))
    Console().print(table)
