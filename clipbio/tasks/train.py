"""`train.py`: from a config to a trained, evaluated and reported run."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console

from clipbio.config import check_signatures, instantiate
from clipbio.data.transforms import Augmentation
from clipbio.distributed import World, barrier, broadcast, join_world, leave_world
from clipbio.errors import ClipbioError
from clipbio.files import read_json, write_json
from clipbio.losses import Head
from clipbio.tasks.audit import audit_run
from clipbio.tasks.parts import (
    build_benchmarks,
    build_cache,
    build_data,
    build_model,
    check_texts,
    device_of,
    freeze_unused,
    head_benchmarks,
    measure,
    print_summary,
)
from clipbio.tasks.results import finish_run
from clipbio.tasks.trainer import build_trainer, quieten_lightning
from clipbio.training.callbacks import GracefulStop
from clipbio.training.checkpoints import checkpoint_path, load_into, read_checkpoint, start_heads
from clipbio.training.compiling import compile_trunks
from clipbio.training.durations import Duration, RunLength
from clipbio.training.heads import build_heads, check_modalities, check_projections, loss_weights
from clipbio.training.inputs import connect
from clipbio.training.microbatches import warn_of_batch_statistics
from clipbio.training.module import ContrastiveModule
from clipbio.training.run import RunFolder, provenance
from clipbio.training.validation import Validation
from clipbio.training.validity import check_config

__all__ = ["train"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]
INPUT_ERROR, INTERRUPTED = 2, 130


def train(config: Config) -> dict[str, float]:
    """Train, evaluate and report; return the metrics of the run.

    Args:
        config: Plain resolved config of `conf/train.yaml`.
    """
    check_config(config)
    check_signatures(config)
    world = join_world(str(config["trainer"]["accelerator"]))
    _check_world(config, world)
    quieten_lightning()
    try:
        return _Training(config, world).run()
    finally:
        leave_world()


def _check_world(config: Config, world: World) -> None:
    trainer = config["trainer"]
    strategy = str(trainer["strategy"])
    if world.size > 1 and strategy == "auto":
        raise ClipbioError(
            f"{world.size} processes were started, but trainer={trainer['accelerator']} runs one: trainer=ddp"
        )
    devices = trainer["devices"]
    several = torch.cuda.device_count() if devices == "auto" else devices
    if world.size == 1 and strategy != "auto" and several != 1:
        raise ClipbioError(
            f"trainer.strategy={strategy} needs one process per device: start them with "
            "'torchrun --nproc_per_node N train.py ...' (or srun)"
        )
    if strategy == "fsdp":
        _check_sharded(config)


def _check_sharded(config: Config) -> None:
    precision = config["trainer"]["precision"]
    if precision not in ("32-true", "bf16-mixed"):
        raise ClipbioError(f"trainer=fsdp cannot train with trainer.precision={precision}: take bf16-mixed or 32-true")
    if config["compile"]:
        raise ClipbioError("compile cannot be combined with trainer=fsdp, which gathers weights inside a trunk: false")


class _Training:
    """One attempt at a run."""

    def __init__(self, config: Config, world: World) -> None:
        self.config = config
        self.world = world
        self.sharded = config["trainer"]["strategy"] == "fsdp"
        self.folder = RunFolder(Path(config["run_dir"]).expanduser())
        self.console = Console(quiet=not world.is_main)
        self.device = device_of(str(config["trainer"]["accelerator"]), world)
        self.started = time.time()
        self.resumed_at: int | None = None
        self.facts: dict[str, object] = {}
        self.position: dict[str, Any] | None = None
        self.attempts = _earlier_attempts(self.folder.path / "run.json")

    def run(self) -> dict[str, float]:
        answer = broadcast(self._open_folder())
        if isinstance(answer, ClipbioError):
            raise answer
        if answer == "finished":
            log.info("%s is finished; nothing is left to do", self.folder.path)
            self.console.print(f"{self.folder.path} is finished; its report: {self.folder.path / 'report.html'}")
            metrics = self.folder.path / "metrics.json"
            return dict(read_json(metrics)) if metrics.exists() else {}
        with self._recorded():
            return self._train(answer)

    def _open_folder(self) -> str | ClipbioError:
        """Return what to do, or the error, so that all processes learn of it."""
        if not self.world.is_main:
            return ""
        try:
            return self.folder.open(self.config, str(self.config["resume"]))
        except ClipbioError as error:
            return error

    def _train(self, answer: str) -> dict[str, float]:
        self.data = build_data(self.config, self.world)
        checkpoint = read_checkpoint(self.folder.last) if answer == "continue" else None
        self.model = build_model(self.config, load_weights=checkpoint is None)
        if checkpoint is not None:
            # Before anything is encoded: frozen weights decide the features.
            load_into(checkpoint, {"model": self.model}, self.folder.last, weights="trained")
            self.resumed_at = int(checkpoint["global_step"])
            self.position = checkpoint[type(self.data).__qualname__]
            log.info("resumed at step %d from %s", self.resumed_at, self.folder.last)
            self.console.print(f"resumed at step {self.resumed_at} from {self.folder.last}")
        elif self.config.get("init"):
            path = checkpoint_path(self.config["init"])
            load_into(read_checkpoint(path), {"model": self.model}, path, adopt=True)
        if self.world.is_main:
            self.folder.forget_after(self.resumed_at or 0)
        module = self._module()
        print_summary(self.model, self.data, self.console)
        trainer = build_trainer(self.config, self.data, module, self.folder, world=self.world, sharded=self.sharded)
        self._fit(trainer, module)
        return self._evaluate(trainer)

    # -- parts ------------------------------------------------------------------------------------------------------

    def _module(self) -> ContrastiveModule:
        check_projections(self.model, self.data.streams)
        length = self._plan()
        self._audit()
        validation_splits = [name for name in self.config["validation"]["splits"] if name in self.data.splits]
        self.splits = _final_splits(self.config, self.data.splits)
        self.heads = build_heads(self._head, self.data.streams)
        check_modalities(self.model, self.heads)
        augmentation = instantiate(self.config["augmentation"], "augmentation")
        assert isinstance(augmentation, Augmentation)
        self.encoder = connect(
            self.model,
            self.data,
            cache=build_cache(self.config),
            augmentation=augmentation,
            splits=list(dict.fromkeys([*validation_splits, *self.splits])),
            world=self.world,
            device=self.device,
        )
        freeze_unused(self.model, self.heads)
        # Classes belong to the data that a classifier was trained on.
        if self.config.get("init") and self.resumed_at is None and not head_benchmarks(self.heads):
            start_heads(self.heads, checkpoint_path(self.config["init"]))
        validation = self._validation(validation_splits)
        self.data.validation_splits = tuple(validation_splits) if validation is not None else ()
        compile_trunks(self.model, self.config["compile"])
        if self.config["micro_batch_size"] is not None:
            warn_of_batch_statistics(self.model)
        # Encoding left it in evaluation mode, and Lightning does not change the mode; frozen parts stay as they are.
        self.model.train()
        return ContrastiveModule(
            self.model,
            self.heads,
            loss_weights=loss_weights(self.data.streams),
            recipe=instantiate(self.config["optim"], "optim"),
            length=length,
            validation=validation,
            config=self.config,
        )

    def _head(self) -> Head:
        head = instantiate(self.config["loss"], "loss")
        assert isinstance(head, Head)
        asked = build_benchmarks(self.config) | build_benchmarks(self.config, self.config["validation"]["benchmarks"])
        check_texts(head, asked)
        taxa = [torch.from_numpy(split.index.taxon_NR[split.rows]) for split in self.data.train_parts]
        head.prepare(torch.cat(taxa), dim=self.model.dim)
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
        return RunLength(size, plan.batches_per_epoch / accumulated, self.data.steps)

    def _audit(self) -> None:
        """Look for leakage before anything is encoded; the main process looks, and all learn of a refusal."""
        if self.config["leakage"] in ("off", False):
            return
        found: str | ClipbioError = ""
        if self.world.is_main:
            try:
                result = audit_run(self.data, self.folder.path, refuse=self.config["leakage"] == "refuse")
                found = result.summary()
            except ClipbioError as error:
                found = error
        found = broadcast(found)
        if isinstance(found, ClipbioError):
            raise found
        self.facts["leakage"] = found

    def _validation(self, names: list[str]) -> Validation | None:
        benchmarks = build_benchmarks(self.config, self.config["validation"]["benchmarks"])
        benchmarks |= head_benchmarks(self.heads)
        if not names or not benchmarks:
            return None
        return Validation(
            [self.data.split(name) for name in names],
            benchmarks,
            self.encoder,
            list(self.data.splits.values()),
            self.data.max_skipped_share,
        )

    # -- the run ----------------------------------------------------------------------------------------------------

    def _fit(self, trainer: pl.Trainer, module: ContrastiveModule) -> None:
        if self.resumed_at is not None and self.resumed_at >= self.data.steps:
            return
        path = self.folder.last if self.resumed_at is not None else None
        stop = next(callback for callback in trainer.callbacks if isinstance(callback, GracefulStop))  # type: ignore[attr-defined]
        try:
            trainer.fit(module, datamodule=self.data, ckpt_path=path, weights_only=True)
        except SystemExit:
            # What Lightning makes of a second Ctrl-C.
            if stop.signal is not None:
                raise KeyboardInterrupt from None
            raise
        if stop.signal is not None and trainer.global_step < self.data.steps:
            raise KeyboardInterrupt
        trainer.save_checkpoint(self.folder.last)

    def _evaluate(self, trainer: pl.Trainer) -> dict[str, float]:
        barrier()
        path = checkpoint_path(self.folder.path)
        if self.sharded:
            # Evaluation runs unequal numbers of batches and texts on the processes: that takes whole towers.
            self.model = build_model(self.config, load_weights=False)
            self.heads = build_heads(self._head, self.data.streams)
            self.encoder.tower = self.model.tower("text")
        own = head_benchmarks(self.heads)
        load_into(read_checkpoint(path), {"model": self.model} | ({"heads": self.heads} if own else {}), path)
        benchmarks = build_benchmarks(self.config) | own
        if not benchmarks or not self.splits:
            return {}
        validation = measure(
            self.model, self.data, splits=self.splits, benchmarks=benchmarks, encoder=self.encoder, device=self.device
        )
        if self.world.is_main:
            self._report(validation, path)
        barrier()
        return validation.result.metrics

    def _report(self, validation: Validation, path: Path) -> None:
        finish_run(
            self.folder,
            title=f"{self.config['name']}: training run",
            config=self.config,
            data=self.data,
            model=self.model,
            validation=validation,
            checkpoint=path,
            facts={
                "resumed at step": "not resumed" if self.resumed_at is None else self.resumed_at,
                "wall time": f"{time.time() - self.started:.0f} s",
                "processes": self.world.size,
                **self.facts,
            },
            console=self.console,
        )

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Keep `run.json` and `status.json` true whatever happens."""
        state, error_text, code = "failed", "", 1
        try:
            self._write_state("running", None)
            yield
            state, code = "finished", 0
        except KeyboardInterrupt:
            state, error_text, code = "interrupted", "interrupted: continue with resume=auto", INTERRUPTED
            raise
        except BaseException as error:
            code = INPUT_ERROR if isinstance(error, ClipbioError) else 1
            error_text = f"{type(error).__name__}: {error}".splitlines()[0]
            raise
        finally:
            self._write_state(state, code, error_text)
            _finish_wandb()

    def _write_state(self, state: str, code: int | None, error: str = "") -> None:
        if not self.world.is_main:
            return
        steps = getattr(getattr(self, "data", None), "steps", None)
        self.folder.write_status(state, steps=steps, error=error, resumed_at=self.resumed_at)
        attempt = {
            "started": self.started,
            "seconds": round(time.time() - self.started, 1),
            "resumed_at": self.resumed_at,
            "exit_status": code,
            "error": error,
        }
        manifest = self.data.folder.manifest.hash if state == "finished" else None
        streams = self.data.manifests if state == "finished" else {}
        values = provenance(
            seed=self.config["seed"],
            world_size=self.world.size,
            data_manifest=manifest,
            stream_manifests=streams,
            exit_status=code,
        )
        write_json(self.folder.path / "run.json", {**values, "attempts": [*self.attempts, attempt]})


def _earlier_attempts(path: Path) -> list[Any]:
    """Return what `run.json` says of earlier attempts; one that was killed keeps its open end."""
    try:
        return list(read_json(path)["attempts"]) if path.exists() else []
    except (ClipbioError, KeyError):
        return []


def _final_splits(config: Config, available: Mapping[str, Any]) -> list[str]:
    wanted = config["evaluate_splits"]
    if wanted is None:
        return [name for name in ("val", "val_unseen", "test", "unseen") if name in available]
    return list(wanted)


def _finish_wandb() -> None:
    """Close wandb's run: a second run in this process would log into it."""
    if "wandb" in sys.modules and sys.modules["wandb"].run is not None:
        sys.modules["wandb"].finish()
