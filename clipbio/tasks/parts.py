"""What training and evaluation both build from a config."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import nn

from clipbio.characters.benchmark import CharacterBenchmark
from clipbio.config import config_groups, instantiate
from clipbio.data.datamodule import SpecimenData
from clipbio.data.roots import shown
from clipbio.distributed import World
from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.benchmark import AnyBenchmark, further_splits
from clipbio.evaluation.classification import Classification
from clipbio.evaluation.protocols import OWN, chosen_protocols, task_name
from clipbio.evaluation.retrieval import Retrieval
from clipbio.evaluation.zero_shot import ZeroShot
from clipbio.losses import Captioning, Head, MaskedTokens, TaxonClassifier
from clipbio.models import MultiTower
from clipbio.search.benchmark import SentenceSearch
from clipbio.tasks.barcodes import token_accuracy
from clipbio.training.encoder import TextEncoder
from clipbio.training.inputs import FeatureCache
from clipbio.training.validation import Validation

__all__ = [
    "build_benchmarks",
    "build_cache",
    "build_data",
    "build_validation",
    "check_benchmarks",
    "check_splits",
    "check_texts",
    "describe_streams",
    "freeze_unused",
    "head_benchmarks",
    "print_summary",
    "thumbnails",
]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]

_OF_TEXTS = ZeroShot | Retrieval | SentenceSearch | CharacterBenchmark


def build_data(config: Config, world: World) -> SpecimenData:
    """Return the DataModule of a config."""
    data = instantiate(config["data"], "data")
    assert isinstance(data, SpecimenData)
    # Before a model is made, whose weights may have to be fetched.
    data.check_root()
    data.world = world
    return data


def build_benchmarks(
    config: Config, names: Sequence[str] | None = None, *, place: str = "benchmark"
) -> dict[str, AnyBenchmark]:
    """Return benchmarks by name, all or some; settings of others, which an experiment may hold, are not used.

    Args:
        config: Plain config with the parts `benchmark` and `protocol`.
        names: Some of them; None is all, and warns of settings that are not used.
        place: Where they stand, for messages.

    Raises:
        ClipbioError: A name or a setting is wrong.
    """
    entries: Mapping[str, Any] = config.get("benchmark") or {}
    configs = {name: one for name, one in entries.items() if isinstance(one, Mapping) and "_target_" in one}
    if names is None:
        _tell_unused([name for name in entries if name not in configs], list(configs), place)
    for name in names or ():
        if name not in configs:
            raise ClipbioError(
                f"validation.benchmarks: '{name}' is not among benchmark={list(configs)}{nearest(name, configs)}"
            )
    asked = config.get("protocol", OWN)
    benchmarks: dict[str, AnyBenchmark] = {}
    for name in configs if names is None else names:
        if (resamples := configs[name].get("bootstrap", 0)) < 0:
            raise ClipbioError(f"{place}.{name}.bootstrap={resamples}; give a number of resamples, 0 for none")
        benchmarks |= _in_forms(name, configs[name], asked, place)
    return benchmarks


def _tell_unused(names: Sequence[str], chosen: Sequence[str], place: str) -> None:
    """Warn of settings of benchmarks that are not chosen; refuse those of benchmarks that do not exist."""
    known = config_groups()["benchmark"]
    for name in names:
        if name not in known:
            raise ClipbioError(f"{place}.{name}: there is no such benchmark{nearest(name, known)}")
        chosen_too = f"benchmark=[{','.join([*chosen, name])}]"
        adding = chosen_too if place == "benchmark" else f"+benchmark@{place}.{name}={name}"
        log.warning("%s.%s is set, but that benchmark is not chosen and not run: %s adds it", place, name, adding)


def _in_forms(name: str, config: Config, asked: str | Sequence[str], place: str) -> dict[str, AnyBenchmark]:
    """Return a benchmark in its own form and in those of published protocols, as asked for."""
    made = instantiate(config, f"{place}.{name}")
    if not hasattr(made, "splits"):
        raise ClipbioError(f"{place}.{name} is a data set, not a benchmark: evaluate.py benchmark=[{name}] takes it")
    forms = getattr(made, "PROTOCOLS", ())
    if config.get("protocol", OWN) != OWN or not forms:
        chosen_protocols(asked, forms)
        return {name: made}
    return {
        task_name(name, protocol): made
        if protocol == OWN
        else instantiate({**config, "protocol": protocol}, f"{place}.{name}")
        for protocol in chosen_protocols(asked, forms)
    }


def check_splits(benchmarks: Mapping[str, AnyBenchmark], evaluated: Sequence[str]) -> None:
    """Refuse benchmarks that name splits, none of which is evaluated.

    Raises:
        ClipbioError: There is one.
    """
    for name, benchmark in benchmarks.items():
        if benchmark.splits is not None and not {*benchmark.splits} & {*evaluated}:
            hint = "".join(nearest(split, evaluated) for split in benchmark.splits[:1])
            raise ClipbioError(
                f"benchmark.{name}.splits=[{','.join(benchmark.splits)}]: none of them is evaluated{hint}; see splits="
            )


def head_benchmarks(heads: nn.ModuleDict, model: MultiTower, data: SpecimenData) -> dict[str, AnyBenchmark]:
    """Return what the head of the default projection can be asked by itself, if it classifies or guesses tokens."""
    head = dict(heads.items()).get("default")
    if isinstance(head, MaskedTokens):
        return {"masked_tokens": token_accuracy(model, head, data)}
    return {"classification": Classification(head.answers)} if isinstance(head, TaxonClassifier) else {}


def check_texts(head: Head, benchmarks: Mapping[str, AnyBenchmark]) -> None:
    """Refuse benchmarks that compare images with texts where the loss trains no text.

    Raises:
        ClipbioError: There are such benchmarks.
    """
    names = [name for name, one in benchmarks.items() if isinstance(one, _OF_TEXTS)]
    if names and "text" not in head.modalities:
        raise ClipbioError(
            f"the loss trains no text, and {' and '.join(names)} would compare images with it: take "
            "experiment=cross_entropy, or 'benchmark=[]' 'validation.benchmarks=[]' "
            "checkpoint.monitor=classification/val/species/top1"
        )


def check_benchmarks(model: MultiTower, benchmarks: Mapping[str, AnyBenchmark]) -> None:
    """Refuse benchmarks that compare images with texts where the model does not encode both.

    Raises:
        ClipbioError: There are such benchmarks.
    """
    names = [name for name, one in benchmarks.items() if isinstance(one, _OF_TEXTS)]
    lacks = [name for name in ("image", "text") if name not in model.modalities]
    if names and lacks:
        raise ClipbioError(
            f"benchmark {' and '.join(names)} compares images with texts, and the model has no "
            f"{' and no '.join(lacks)} tower (it encodes {', '.join(model.modalities)}): choose others, such as "
            "'benchmark=[]' 'validation.benchmarks=[]'"
        )


def freeze_unused(model: MultiTower, heads: nn.ModuleDict) -> None:
    """Freeze the towers that no loss reads, and the caption decoder: a weight without gradient stops DDP."""
    read = {name for head in heads.values() if isinstance(head, Head) for name in head.modalities}
    for name in model.modalities:
        if name not in read:
            log.info("the loss reads %s: the %s tower is not trained", " and ".join(sorted(read)), name)
            model.tower(name).requires_grad_(False)
    if model.decoder is not None and not any(isinstance(head, Captioning) for head in heads.values()):
        log.info("the loss reads no captions: the decoder is not trained; loss=captioning trains it")
        model.decoder.requires_grad_(False)


def build_cache(config: Config) -> FeatureCache:
    """Return where features of frozen trunks are kept."""
    dtype = str(config["cache_features"])
    if dtype not in ("float32", "float16", "off"):
        raise ClipbioError(f"cache_features='{dtype}' is unknown; valid are: float32, float16, off")
    folder = Path(config["cache_dir"]).expanduser() / "features"
    return FeatureCache(None) if dtype == "off" else FeatureCache(folder, dtype)


def build_validation(
    data: SpecimenData, splits: Sequence[str], benchmarks: Mapping[str, AnyBenchmark], encoder: TextEncoder
) -> Validation:
    """Return what embeds splits, and those that benchmarks compare them with."""
    return Validation(
        [data.evaluated(name) for name in splits],
        benchmarks,
        encoder,
        list(data.splits.values()),
        data.max_skipped_share,
        [data.evaluated(name) for name in further_splits(benchmarks, splits, data.splits)],
    )


def thumbnails(data: SpecimenData, splits: Sequence[str]) -> Callable[[str], bytes | None]:
    """Return a function from a specimen's id to its encoded image."""
    places = {split.index.ids[int(row)]: (split, int(row)) for split in map(data.split, splits) for row in split.rows}

    def find(id_: str) -> bytes | None:
        if id_ not in places:
            return None
        split, row = places[id_]
        image = split.index.read(row).image
        return image if isinstance(image, bytes) else None

    return find


def print_summary(model: MultiTower, data: SpecimenData, console: Console) -> None:
    """Show what is trained on what."""
    towers = Table("tower", "parameters", "trained", title="model", title_justify="left")
    for count in model.summary():
        towers.add_row(count.tower, f"{count.total:,}", f"{count.trainable:,}")
    splits = Table(
        "split",
        "specimens",
        "species",
        title=f"data: {shown(data.root or 'the virtual herbarium')}",
        title_justify="left",
    )
    for name, split in data.splits.items():
        species = len({int(key) for key in split.index.taxon_NR[split.rows, -1] if key >= 0})
        splits.add_row(name, f"{len(split):,}", f"{species:,}")
    console.print(towers)
    console.print(splits)
    if streams := describe_streams(data):
        table = Table("stream", "rows per batch", "specimens", "text", "projection", "sampling",
                      title="streams", title_justify="left")  # fmt: skip
        for name, values in streams.items():
            table.add_row(name, *values)
        console.print(table)


def describe_streams(data: SpecimenData) -> dict[str, tuple[str, ...]]:
    """Return rows per batch, specimens, regime, projection and sampling of each stream, if several are trained on."""
    if len(data.streams) == 1 or not data.steps:
        return {}
    return {
        name: (
            f"{one.plan.batch_size:,} of {data.batch_size:,}",
            f"{len(one.rows):,}",
            ", ".join(one.stream.regime.types),
            one.stream.projection,
            one.stream.sampling,
        )
        for name, one in data.planned.items()
    }
