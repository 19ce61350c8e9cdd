"""`evaluate.py`: benchmarks on a run, a checkpoint, or a pretrained model without any checkpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from clipbio.config import check_signatures, instantiate
from clipbio.data.datamodule import SpecimenData
from clipbio.distributed import World, barrier, join_world, leave_world, on_main
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import AnyBenchmark
from clipbio.evaluation.expected import expected_name
from clipbio.evaluation.given import GivenEmbeddings
from clipbio.files import write_json
from clipbio.losses import MaskedTokens, TaxonClassifier
from clipbio.models import MultiTower
from clipbio.provenance import provenance
from clipbio.tasks.barcodes import column_counts
from clipbio.tasks.building import build_model, device_of
from clipbio.tasks.embeddings import Measured, embedding_cache, measure
from clipbio.tasks.exchange import SavedEmbeddings, check_weights, given_embeddings, saving
from clipbio.tasks.identity import data_hash
from clipbio.tasks.loading import trained_model
from clipbio.tasks.parts import (
    build_benchmarks,
    build_cache,
    build_data,
    check_benchmarks,
    check_splits,
    check_texts,
    head_benchmarks,
)
from clipbio.tasks.results import finish_run
from clipbio.tasks.suite_runs import OpenSuite, joined, measured_sets, open_suites
from clipbio.tasks.suites import without_suites
from clipbio.training.checkpoints import checkpoint_path, load_into, read_checkpoint
from clipbio.training.inputs import connect
from clipbio.training.masked import join_tokens
from clipbio.training.run import RunFolder

__all__ = ["evaluate"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]


def evaluate(config: Config) -> dict[str, float]:
    """Run benchmarks and write `metrics.json` and the report; return the metrics.

    Args:
        config: Plain resolved config of `conf/evaluate.yaml`. What it leaves open (model, data) comes from the
            checkpoint's own config.
    """
    started = time.monotonic()
    world = join_world(str(config["trainer"]["accelerator"]))
    try:
        return _evaluate(config, RunFolder(Path(config["run_dir"]).expanduser()), world, started)
    finally:
        leave_world()


@dataclass(frozen=True)
class _Measurement:
    """What takes the vectors of splits, of whatever data, and asks benchmarks about them."""

    config: Config
    world: World
    device: torch.device
    model: MultiTower | None
    given: GivenEmbeddings | None
    saved: SavedEmbeddings | None

    def of(
        self,
        data: SpecimenData,
        splits: Sequence[str],
        benchmarks: Mapping[str, AnyBenchmark],
        called: Callable[[str], str] = str,
    ) -> Measured:
        """Measure splits of some data; `called` says what their files are called."""
        encoder = None
        if self.model is not None:
            features, world, device = build_cache(self.config), self.world, self.device
            encoder = connect(
                self.model, data, cache=features, augmentation=None, splits=(), world=world, device=device
            )
        return measure(
            self.model,
            data,
            splits=splits,
            benchmarks=benchmarks,
            encoder=encoder,
            device=self.device,
            cache=embedding_cache(self.config),
            given=self.given,
            saved=self.saved,
            called=called,
        )


@dataclass(frozen=True)
class _Request:
    """What a command asks for: its config with what it left open filled in, and what it names, read."""

    config: Config
    path: Path | None
    checkpoint: Mapping[str, Any] | None
    given: GivenEmbeddings | None

    @classmethod
    def of(cls, config: Config) -> _Request:
        """Read the checkpoint and the embeddings that a config names, and check the parts of it."""
        path = checkpoint_path(config["checkpoint"]) if config["checkpoint"] else None
        checkpoint = read_checkpoint(path) if path is not None else None
        given = given_embeddings(config)
        trained = checkpoint["clipbio"]["config"] if checkpoint is not None else {}
        config = _complete(config, trained, _only_sets(config), given is not None)
        # A name that is unknown is told before anything is encoded.
        expected_name({}, config["expected"])
        check_signatures({key: config.get(key) for key in ("model", "data", "benchmark")})
        return cls(config, path, checkpoint, given)

    def data(self, world: World) -> SpecimenData | None:
        """Return the data; None where only sets are asked for, which bring their own."""
        if not _only_sets(self.config):
            return build_data(self.config, world)
        if (self.config.get("data") or {}).get("root"):
            log.info("data are not evaluated: benchmark= names data sets alone")
        return None

    def model(self) -> MultiTower | None:
        """Return the model, with the weights of the checkpoint if there is one; None where none is asked for."""
        if self.config.get("model") is None:
            return None
        if self.checkpoint is None or self.path is None:
            return build_model(self.config, load_weights=True)
        return trained_model(self.config, self.checkpoint, self.path, weights=str(self.config["weights"]))

    def benchmarks(
        self, model: MultiTower | None, data: SpecimenData | None, splits: Sequence[str], suites: Sequence[OpenSuite]
    ) -> dict[str, AnyBenchmark]:
        """Return the benchmarks on the data, and refuse those, of sets too, that the model or the splits cannot do."""
        benchmarks = build_benchmarks(without_suites(self.config))
        for asked in (benchmarks, *(one.benchmarks for one in suites)):
            if model is not None:
                check_benchmarks(model, asked)
        check_splits(benchmarks, splits)
        if model is not None and self.given is not None:
            check_weights(self.given, model)
        if self.checkpoint is None or self.path is None or data is None or model is None:
            return benchmarks
        weights = str(self.config["weights"])
        return benchmarks | _trained_benchmarks(self.checkpoint, benchmarks, self.path, weights, model, data)


def _only_sets(config: Config) -> bool:
    """Tell whether all benchmarks that are asked for are published data sets."""
    return bool(config.get("benchmark")) and not without_suites(config)["benchmark"]


def _evaluate(config: Config, folder: RunFolder, world: World, started: float) -> dict[str, float]:
    request = _Request.of(config)
    config, given = request.config, request.given
    device = device_of(str(config["trainer"]["accelerator"]), world)
    data = request.data(world)
    splits = _splits(config, data)
    suites = open_suites(config, world)
    resume = "auto" if config["overwrite"] else "never"
    on_main(world, lambda: folder.open(config, resume, remedy="overwrite=true"))
    model = request.model()
    benchmarks = request.benchmarks(model, data, splits, suites)
    with saving(config, world, given.name if given is not None else str(config["name"])) as saved:
        measurement = _Measurement(config, world, device, model, given, saved)
        parts = [] if data is None else [measurement.of(data, splits, benchmarks)]
        parts += measured_sets(
            suites, lambda one: measurement.of(one.data, one.splits, one.benchmarks, one.shown), alone=data is None
        )
    measured = joined(parts)
    if world.is_main:
        finish_run(
            folder,
            title=f"{config['name']}: evaluation",
            config=config,
            data=data,
            suites=suites,
            model=model,
            validation=measured,
            checkpoint=request.path,
            given=given,
            facts={"wall time": f"{time.monotonic() - started:.0f} s", "processes": world.size},
            console=Console(),
        )
        values = provenance(data_manifest=data_hash(data, suites), checkpoint=str(request.path), exit_status=0)
        write_json(folder.path / "run.json", {**values, "seconds": round(time.monotonic() - started, 1)})
        folder.write_status("finished")
    barrier()
    return measured.result.metrics


def _splits(config: Config, data: SpecimenData | None) -> list[str]:
    """Return the splits of the data that are judged."""
    if config["splits"] is not None and not isinstance(config["splits"], list):
        raise ClipbioError(f"splits={config['splits']} must be a list, such as [test,unseen]")
    if data is None:
        if config["splits"]:
            raise ClipbioError("splits= is about data, and only data sets are asked for: set benchmark.NAME.splits=")
        return []
    splits = list(config["splits"] or (name for name in ("val", "test", "unseen") if name in data.splits))
    if not splits:
        raise ClipbioError(f"nothing to evaluate: {data.folder.name} has only {', '.join(data.splits)}; give splits=")
    for name in splits:
        data.split(name)
    return splits


def _trained_benchmarks(
    checkpoint: Mapping[str, Any],
    benchmarks: Mapping[str, AnyBenchmark],
    path: Path,
    weights: str,
    model: MultiTower,
    data: SpecimenData,
) -> dict[str, AnyBenchmark]:
    """Return what the head of a checkpoint can be asked, if it classifies or guesses tokens."""
    head = instantiate(checkpoint["clipbio"]["config"]["loss"], "loss")
    name = "heads.default"
    if isinstance(head, TaxonClassifier):
        check_texts(head, benchmarks)
        state = checkpoint["state_dict"]
        head.prepare_like({key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(name)})
    elif isinstance(head, MaskedTokens):
        join_tokens(model, head, column_counts(model, data))
    else:
        return {}
    load_into(checkpoint, {name: head}, path, weights=weights)
    return head_benchmarks(nn.ModuleDict({"default": head}), model, data)


def _complete(config: Config, trained: Config, only_sets: bool, given: bool) -> dict[str, Any]:
    """Fill what the command left open from the config that the checkpoint was trained with.

    Where `only_sets` are asked for, which bring their own data, none need be given; where embeddings are `given`, no
    model.
    """
    complete = dict(config)
    if config.get("model") is None and not (given and not trained):
        if not trained:
            raise ClipbioError(
                "nothing to evaluate: give checkpoint=RUN, or a model such as model=openclip model.pretrained=TAG, "
                "or embeddings=FOLDER"
            )
        complete["model"] = trained["model"]
    if config.get("data") is None and not only_sets:
        if not trained:
            raise ClipbioError(
                "no data to evaluate on: give data=table data.root=FOLDER, or ask for sets alone, benchmark=[nabirds]"
            )
        complete["data"] = trained["data"]
    if config["expected"] is None and config.get("model") is None:
        complete["expected"] = trained.get("expected")
    return complete
