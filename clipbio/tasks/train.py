"""`train.py`: from a config to a trained, evaluated and reported run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from torch import nn

from clipbio.checkpoint_upgrades import check_continuable
from clipbio.config import check_signatures, instantiate
from clipbio.data.transforms import Augmentation
from clipbio.distributed import World, barrier, join_world, leave_world, on_main
from clipbio.dna import BarcodeAugmentation
from clipbio.evaluation.benchmark import AnyBenchmark, further_splits
from clipbio.files import read_json, write_json
from clipbio.losses import Captioning, Head, MaskedTokens
from clipbio.models import MultiTower
from clipbio.pulse import PULSE
from clipbio.tasks.attempt import Attempt
from clipbio.tasks.audit import audit_run
from clipbio.tasks.barcodes import column_counts
from clipbio.tasks.building import build_model, device_of
from clipbio.tasks.embeddings import Measured, measure
from clipbio.tasks.parts import (
    build_benchmarks,
    build_cache,
    build_data,
    build_validation,
    check_benchmarks,
    check_texts,
    freeze_unused,
    head_benchmarks,
    print_summary,
)
from clipbio.tasks.plan import make_plan
from clipbio.tasks.processes import check_processes
from clipbio.tasks.results import finish_run
from clipbio.tasks.trainer import build_trainer, quieten_lightning
from clipbio.training.atomic_checkpoints import finish_writing
from clipbio.training.base import TrainingModule
from clipbio.training.captioning import CaptioningModule, check_captions
from clipbio.training.checkpoints import checkpoint_path, load_into, read_checkpoint, start_heads
from clipbio.training.compiling import compile_trunks
from clipbio.training.durations import Duration, RunLength
from clipbio.training.heads import build_heads, check_modalities, check_projections, loss_weights
from clipbio.training.inputs import connect
from clipbio.training.masked import MaskedTokenModule, check_alone, join_tokens
from clipbio.training.microbatches import warn_of_batch_statistics
from clipbio.training.module import ContrastiveModule
from clipbio.training.optimizer import AdamWRecipe
from clipbio.training.pace import PLAN
from clipbio.training.recovery import recover_last
from clipbio.training.run import RunFolder
from clipbio.training.validation import Validation
from clipbio.training.validity import check_config
from clipbio.training.wandb_run import WandbLogger

__all__ = ["train"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]
Benchmarks = dict[str, AnyBenchmark]


def train(config: Config) -> dict[str, float]:
    """Train, evaluate and report; return the metrics of the run.

    Args:
        config: Plain resolved config of `conf/train.yaml`.
    """
    check_config(config)
    check_signatures(config)
    world = join_world(str(config["trainer"]["accelerator"]))
    check_processes(config, world)
    quieten_lightning()
    try:
        return _Training(config, world).run()
    finally:
        leave_world()


def build_module(model: MultiTower, heads: nn.ModuleDict, **parts: Any) -> TrainingModule:
    """Return what trains towers with the kind of head that the loss is; `parts` are those of `TrainingModule`."""
    kinds = {MaskedTokens: MaskedTokenModule, Captioning: CaptioningModule}
    found = [kind for loss, kind in kinds.items() if any(isinstance(head, loss) for head in heads.values())]
    return (found or [ContrastiveModule])[0](model, heads, **parts)


class _Training:
    """One attempt at a run."""

    def __init__(self, config: Config, world: World) -> None:
        self.config = config
        self.world = world
        self.sharded = config["trainer"]["strategy"] == "fsdp"
        self.folder = RunFolder(Path(config["run_dir"]).expanduser())
        self.attempt = Attempt(config, self.folder, world)
        self.console = Console(quiet=not world.is_main)
        self.device = device_of(str(config["trainer"]["accelerator"]), world)
        self.facts: dict[str, object] = {}
        self.position: dict[str, Any] | None = None

    def run(self) -> dict[str, float]:
        if self.config["dry_run"]:
            # Whatever stands in the folder: nothing is written.
            return self._train("plan")
        answer = self.attempt.open_folder()
        if answer == "finished":
            log.info("%s is finished; nothing is left to do", self.folder.path)
            self.console.print(f"{self.folder.path} is finished; its report: {self.folder.path / 'report.html'}")
            metrics = self.folder.path / "metrics.json"
            return dict(read_json(metrics)) if metrics.exists() else {}
        with self.attempt.recorded():
            return self._train(answer)

    @property
    def resumed_at(self) -> int | None:
        """The step from which the run continues."""
        return self.attempt.resumed_at

    def _train(self, answer: str) -> dict[str, float]:
        PULSE.enter("preparing")
        self.data = self.attempt.data = build_data(self.config, self.world)
        checkpoint = self._checkpoint() if answer == "continue" else None
        self.model = build_model(self.config, load_weights=answer == "start")
        self.data.read_for(self.model.modalities)
        if checkpoint is not None:
            # Before anything is encoded: frozen weights decide the features.
            load_into(checkpoint, {"model": self.model}, self.folder.last, weights="trained")
            self.attempt.resumed_at = int(checkpoint["global_step"])
            self.position = checkpoint[type(self.data).__qualname__]
            log.info("resumed at step %d from %s", self.resumed_at, self.folder.last)
            self.console.print(f"resumed at step {self.resumed_at} from {self.folder.last}")
        elif self.config.get("init") and answer == "start":
            path = checkpoint_path(self.config["init"])
            load_into(read_checkpoint(path), {"model": self.model}, path, adopt=True)
        if self.world.is_main and answer != "plan":
            self.folder.forget_after(self.resumed_at or 0)
        self._plan_run()
        if answer == "plan":
            return {}
        module = self._module()
        trainer = build_trainer(self.config, self.data, module, self.attempt, sharded=self.sharded)
        self._fit(trainer, module)
        return self._evaluate(trainer)

    def _checkpoint(self) -> dict[str, Any]:
        """Return what the run continues from, once the main process found it whole."""
        told = on_main(self.world, lambda: recover_last(self.folder.path))
        if told:
            self.console.print(told, style="bold yellow")
        checkpoint = read_checkpoint(self.folder.last, verify=False)
        check_continuable(checkpoint, self.folder.last)
        return checkpoint

    # -- parts ------------------------------------------------------------------------------------------------------

    def _plan_run(self) -> None:
        """Fix batches, steps and losses, and tell the plan before anything is encoded."""
        check_projections(self.model, self.data.streams)
        self.final, self.chosen = self._benchmarks()
        self.length = self._plan()
        self._audit()
        self.validation_splits = [name for name in self.config["validation"]["splits"] if name in self.data.splits]
        self.splits = _final_splits(self.config, self.data.splits)
        self.heads = build_heads(self._head, self.data.streams)
        check_modalities(self.model, self.heads)
        recipe = instantiate(self.config["optim"], "optim")
        assert isinstance(recipe, AdamWRecipe)
        self.recipe = recipe
        plan = make_plan(
            self.config,
            self.data,
            self.model,
            self.heads,
            recipe,
            self.length,
            world=self.world,
            device=self.device,
            validates=bool(self.validation_splits),
        )
        print_summary(self.model, self.data, self.console)
        plan.show(self.console)
        if self.world.is_main and not self.config["dry_run"]:
            write_json(self.folder.path / PLAN, plan.as_dict())

    def _module(self) -> TrainingModule:
        self._connect(self.validation_splits)
        freeze_unused(self.model, self.heads)
        # Classes belong to the data that a classifier was trained on.
        if self.config.get("init") and self.resumed_at is None and not self._own():
            start_heads(self.heads, checkpoint_path(self.config["init"]))
        validation = self._validation(self.validation_splits)
        self.data.validation_splits = validation.names if validation is not None else ()
        compile_trunks(self.model, self.config["compile"])
        if self.config["micro_batch_size"] is not None:
            warn_of_batch_statistics(self.model)
        # Encoding left it in evaluation mode, and Lightning does not change the mode; frozen parts stay as they are.
        self.model.train()
        return build_module(
            self.model,
            self.heads,
            loss_weights=loss_weights(self.data.streams),
            recipe=self.recipe,
            length=self.length,
            validation=validation,
            config=self.config,
        )

    def _benchmarks(self) -> tuple[Benchmarks, Benchmarks]:
        """Return the benchmarks of the final evaluation, and those that run during training."""
        final = build_benchmarks(self.config)
        chosen = build_benchmarks(self.config, self.config["validation"]["benchmarks"])
        check_benchmarks(self.model, final | chosen)
        return final, chosen

    def _own(self) -> Benchmarks:
        return head_benchmarks(self.heads, self.model, self.data)

    def _connect(self, validation_splits: list[str]) -> None:
        """Join model and data, and encode what frozen trunks will be asked for."""
        PULSE.enter("encoding")
        augmentation = instantiate(self.config["augmentation"], "augmentation")
        barcode_augmentation = instantiate(self.config["barcode_augmentation"], "barcode_augmentation")
        assert isinstance(augmentation, Augmentation)
        assert isinstance(barcode_augmentation, BarcodeAugmentation)
        embedded = [
            *validation_splits,
            *further_splits(self.chosen, validation_splits, self.data.splits),
            *self.splits,
            *further_splits(self.final, self.splits, self.data.splits),
        ]
        self.encoder = connect(
            self.model,
            self.data,
            cache=build_cache(self.config),
            augmentation=augmentation,
            barcode_augmentation=barcode_augmentation,
            splits=list(dict.fromkeys(embedded)),
            world=self.world,
            device=self.device,
        )

    def _head(self) -> Head:
        head = instantiate(self.config["loss"], "loss")
        assert isinstance(head, Head)
        check_texts(head, self.final | self.chosen)
        taxa = [torch.from_numpy(split.index.taxon_NR[split.rows]) for split in self.data.train_parts]
        head.prepare(torch.cat(taxa), dim=self.model.dim)
        if isinstance(head, MaskedTokens):
            check_alone(self.model, self.config["micro_batch_size"], sharded=self.sharded)
            join_tokens(self.model, head, column_counts(self.model, self.data))
        if isinstance(head, Captioning):
            check_captions(self.model, self.config, sharded=self.sharded)
        head.start_from(self.model.initial_logit_scale, self.model.initial_logit_bias)
        return head

    def _plan(self) -> RunLength:
        duration = Duration.parse(self.config["duration"], "duration")
        accumulated = int(self.config["trainer"].get("accumulate_grad_batches", 1))
        size = self.data.batch_size * accumulated

        def steps(plan: Any) -> int:
            return max(1, duration.steps(RunLength(size, plan.batches_per_epoch / accumulated)))

        seed = int(self.config["seed"])
        plan = self.data.plan_run(seed=seed, steps=steps, world=self.world, batches_per_step=accumulated)
        if self.position is not None:
            # Before anything is encoded, which begins where the run stands; Lightning does it again.
            self.data.load_state_dict(self.position)
        self.attempt.status.set(steps=self.data.steps)
        return RunLength(size, plan.batches_per_epoch / accumulated, self.data.steps)

    def _audit(self) -> None:
        """Look for leakage before anything is encoded; the main process looks, and all learn of a refusal."""
        if self.config["leakage"] in ("off", False) or self.config["dry_run"]:
            return
        refuse = self.config["leakage"] == "refuse"
        self.facts["leakage"] = on_main(
            self.world, lambda: audit_run(self.data, self.folder.path, refuse=refuse).summary()
        )

    def _validation(self, names: list[str]) -> Validation | None:
        benchmarks = self.chosen | self._own()
        if not names or not benchmarks:
            return None
        return build_validation(self.data, names, benchmarks, self.encoder)

    # -- the run ----------------------------------------------------------------------------------------------------

    def _fit(self, trainer: pl.Trainer, module: TrainingModule) -> None:
        if self.resumed_at is not None and self.resumed_at >= self.data.steps:
            return
        path = self.folder.last if self.resumed_at is not None else None
        signals = self.attempt.signals
        try:
            trainer.fit(module, datamodule=self.data, ckpt_path=path, weights_only=True)
            if signals.number is None or trainer.global_step >= self.data.steps:
                trainer.save_checkpoint(self.folder.last)
            on_main(self.world, lambda: finish_writing(trainer))
        finally:
            signals.deferred = False
        signals.leave_if_asked()

    def _evaluate(self, trainer: pl.Trainer) -> dict[str, float]:
        PULSE.enter("evaluating")
        barrier()
        path = checkpoint_path(self.folder.path)
        if self.sharded:
            # Evaluation runs unequal numbers of batches and texts on the processes: that takes whole towers.
            self.model = build_model(self.config, load_weights=False)
            self.heads = build_heads(self._head, self.data.streams)
            self.encoder.tower = self.model.tower("text") if "text" in self.model.modalities else None
        own = self._own()
        load_into(read_checkpoint(path), {"model": self.model} | ({"heads": self.heads} if own else {}), path)
        benchmarks = self.final | own
        if not benchmarks or not self.splits:
            return {}
        measured = measure(
            self.model, self.data, splits=self.splits, benchmarks=benchmarks, encoder=self.encoder, device=self.device
        )
        if self.world.is_main:
            self._report(measured, path)
            for logger in trainer.loggers:
                if isinstance(logger, WandbLogger):
                    logger.summarise()
        barrier()
        return measured.result.metrics

    def _report(self, measured: Measured, path: Path) -> None:
        finish_run(
            self.folder,
            title=f"{self.config['name']}: training run",
            config=self.config,
            data=self.data,
            model=self.model,
            validation=measured,
            checkpoint=path,
            facts={
                "resumed at step": "not resumed" if self.resumed_at is None else self.resumed_at,
                "wall time": f"{self.attempt.seconds:.0f} s",
                "processes": self.world.size,
                **self.facts,
            },
            console=self.console,
        )


def _final_splits(config: Config, available: Mapping[str, Any]) -> list[str]:
    wanted = config["evaluate_splits"]
    if wanted is None:
        return [name for name in ("val", "val_unseen", "test", "unseen") if name in available]
    return list(wanted)
