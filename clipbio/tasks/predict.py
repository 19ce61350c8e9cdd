"""`python -m clipbio predict`: what is on pictures, as a table, a CSV or a Parquet file."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from clipbio.data.batch import Skipped
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.embedding_files import ABOUT
from clipbio.evaluation.given import GivenEmbeddings
from clipbio.files import file_hash, write_json
from clipbio.labels import LabelSet, read_taxa
from clipbio.prediction import Asked, Classes, Groups, answers, label_groups, open_writer, rank_groups, subset_rows
from clipbio.prediction import bins as bin_groups
from clipbio.prediction.groups import bin_table
from clipbio.prediction.table import AnswerTable
from clipbio.prediction.writing import checked_suffix
from clipbio.progress import progress_bar
from clipbio.provenance import provenance
from clipbio.tasks.answerable import label_set
from clipbio.tasks.asked import new_file, whole_number
from clipbio.tasks.building import device_of
from clipbio.tasks.exchange import check_weights
from clipbio.tasks.loading import LoadedModel, load_model
from clipbio.tasks.predict_sources import VectorSource, given_vectors, picture_vectors

__all__ = ["predict", "tell_skipped"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]
Row = dict[str, Any]

_SHOWN_PICTURES = 50
_NAMED_SKIPS = 10


def predict(config: Config) -> None:
    """Answer what is on pictures.

    Args:
        config: Plain resolved config of `conf/predict.yaml`.
    """
    started = time.monotonic()
    out = new_file(config, checked_suffix)
    device = device_of(str(config["trainer"]["accelerator"]), World())
    loaded = _model(config)
    if loaded is not None:
        loaded.model.to(device)
    source = _source(config, loaded, device)
    labels = label_set(config, loaded)
    if source.dim != labels.dim:
        raise ClipbioError(
            f"{labels.folder} has {labels.dim} dimensions, the vectors of the pictures have {source.dim}: "
            "make a label set for this model"
        )
    asked = _asked(config, loaded, labels, device)
    skipped = _answer(asked, source, out)
    if out is not None:
        facts = {"pictures": source.count, "seconds": round(time.monotonic() - started, 1)}
        _write_facts(out, config, loaded, labels, asked, facts, skipped)
        answered = source.count - len(skipped)
        log.info("%s written: answers for %s of %s pictures", out, f"{answered:,}", f"{source.count:,}")
    tell_skipped(skipped, source.count)


def _model(config: Config) -> LoadedModel | None:
    """Return the model, if one is given or needed."""
    if config["checkpoint"] is None and config.get("model") is None and config["embeddings"] is not None:
        if config["labels"] is None:
            raise ClipbioError("embeddings= without a model: give labels=FOLDER, or the model that made them")
        if config["temperature"] is None:
            raise ClipbioError("embeddings= without a model: give temperature= too (CLIP's is 0.01)")
        return None
    return load_model(config)


def _source(config: Config, loaded: LoadedModel | None, device: torch.device) -> VectorSource:
    if config["embeddings"] is None:
        assert loaded is not None
        return picture_vectors(config, loaded.model, loaded.name, device)
    if config["images"]:
        raise ClipbioError("give images or embeddings=, not both")
    path = Path(str(config["embeddings"])).expanduser()
    if loaded is not None and (path.parent / ABOUT).is_file():
        check_weights(GivenEmbeddings(path.parent), loaded.model)
    return given_vectors(path, device)


def _answer(asked: Asked, source: VectorSource, out: Path | None) -> list[Skipped]:
    """Write or print the answers, and return what could not be read."""
    skipped: list[Skipped] = []
    table = AnswerTable()
    with ExitStack() as stack:
        writer = table if out is None else stack.enter_context(open_writer(out))
        bar = stack.enter_context(progress_bar(enabled=out is not None))
        task = bar.add_task("pictures", total=source.count)
        for batch in source.batches():
            writer.write(list(answers(asked, batch.names, batch.vectors_BD)))
            skipped += batch.skipped
            bar.advance(task, len(batch.names) + len(batch.skipped))
    if out is None:
        Console().print(table.rich())
    return skipped


def _asked(config: Config, loaded: LoadedModel | None, labels: LabelSet, device: torch.device) -> Asked:
    classes = Classes.of(labels)
    if config["subset"] is not None:
        path = Path(str(config["subset"])).expanduser()
        rows_C = subset_rows(classes, read_taxa(path, key="subset"), path.name)
        log.info("%s: %s of %s labels are left", path.name, f"{len(rows_C):,}", f"{len(classes):,}")
        classes = Classes.of(labels, rows_C)
    classes = classes.to(device)
    confidence = config["confidence"]
    return Asked(
        classes,
        _groups(config, classes),
        k=whole_number(config["k"], "k"),
        confidence=None if confidence is None else _number(confidence, "confidence"),
        scale=_scale(config, loaded),
    )


def _groups(config: Config, classes: Classes) -> Groups:
    if config["rank"] is not None and config["bins"] is not None:
        raise ClipbioError("give rank= or bins=, not both")
    if config["rank"] is not None:
        return rank_groups(classes, str(config["rank"]))
    if config["bins"] is not None:
        return bin_groups(classes, bin_table(Path(str(config["bins"])).expanduser()))
    return label_groups(classes)


def _scale(config: Config, loaded: LoadedModel | None) -> float:
    if config["temperature"] is None:
        assert loaded is not None
        return math.exp(loaded.temperature(str(config["projection"]))[0])
    temperature = _number(config["temperature"], "temperature")
    if not temperature > 0:
        raise ClipbioError(f"temperature={temperature} must be above 0")
    return 1 / temperature


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ClipbioError(f"{key}={value} must be a number")
    return float(value)


def _write_facts(
    out: Path,
    config: Config,
    loaded: LoadedModel | None,
    labels: LabelSet,
    asked: Asked,
    facts: Mapping[str, Any],
    skipped: list[Skipped],
) -> None:
    """Write beside the answers what they were made with."""
    kept = ("hash", "count", "model", "source", "text_type", "template", "clipbio")
    write_json(
        out.with_name(f"{out.name}.json"),
        {
            "answers": {"file": out.name, "sha256": file_hash(out), **facts},
            "model": _facts_of(loaded, str(config["projection"])),
            "labels": {**{key: labels.facts.get(key) for key in kept}, "asked": len(asked.classes)},
            "settings": {
                **{key: config[key] for key in ("rank", "k", "confidence", "projection", "decoder", "embeddings")},
                "bins": None if config["bins"] is None else Path(str(config["bins"])).name,
                "subset": None if config["subset"] is None else Path(str(config["subset"])).name,
                "temperature": 1 / asked.scale,
            },
            "skipped": {one.id: one.reason for one in skipped},
            **provenance(),
        },
    )


def _facts_of(loaded: LoadedModel | None, projection: str) -> dict[str, Any] | None:
    if loaded is None:
        return None
    towers = {name: loaded.model.tower(name) for name in loaded.model.modalities}
    return {
        "name": loaded.name,
        "checkpoint": None if loaded.path is None else str(loaded.path),
        "weights": {name: tower.vector_fingerprint(projection) for name, tower in towers.items()},
    }


def tell_skipped(skipped: list[Skipped], count: int) -> None:
    """Name pictures that could not be read.

    Raises:
        ClipbioError: None could.
    """
    for one in skipped[:_NAMED_SKIPS]:
        log.warning("skipped: %s: %s", one.id, one.reason)
    if len(skipped) > _NAMED_SKIPS:
        log.warning("skipped: %d pictures in all", len(skipped))
    if len(skipped) == count:
        raise ClipbioError(
            f"none of the {count} pictures could be read; the first one {skipped[0].id}: {skipped[0].reason}"
        )
