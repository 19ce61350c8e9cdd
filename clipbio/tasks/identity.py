"""`evaluation.json`: what was measured, so that nobody compares figures of different things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from clipbio.data.datamodule import SpecimenData
from clipbio.evaluation.given import GivenEmbeddings
from clipbio.evaluation.prompts import prompt_sets
from clipbio.evaluation.protocols import OWN
from clipbio.evaluation.split_facts import hash_lines
from clipbio.models import MultiTower
from clipbio.provenance import provenance
from clipbio.tasks.embeddings import Measured
from clipbio.tasks.suite_runs import OpenSuite
from clipbio.tasks.suites import is_suite
from clipbio.text.template_sets import template_id, templates

__all__ = ["data_hash", "evaluation_identity", "hashes", "measured", "model_hash"]

FORMAT = 1


def evaluation_identity(
    config: Mapping[str, Any],
    *,
    data: SpecimenData | None,
    model: MultiTower | None,
    validation: Measured,
    checkpoint: Path | None,
    suites: Sequence[OpenSuite] = (),
    given: GivenEmbeddings | None = None,
) -> dict[str, Any]:
    """Return the model, the data, the prompts and the settings of an evaluation, with hashes, as plain values."""
    about = provenance()
    splits = {
        name: {**asdict(facts), "skipped": len(validation.skipped.get(name, {}))}
        for name, facts in validation.facts.items()
    }
    return {
        "format": FORMAT,
        "name": config.get("name"),
        "model": _model(config, model, checkpoint, given),
        "data": {"root": _root(data), "manifest": data_hash(data, suites)},
        "suites": {one.name: one.about for one in suites},
        "splits": splits,
        "templates": _templates(config),
        "benchmarks": config.get("benchmark") or {},
        "protocol": config.get("protocol", OWN),
        "seeds": {"run": config.get("seed"), **_settings(config, "seed")},
        "precision": {
            "vectors": "float32",
            "products": torch.get_float32_matmul_precision(),
            "cached_features": config.get("cache_features"),
        },
        "device": "cpu" if model is None else next((one.device.type for one in model.parameters()), "cpu"),
        "versions": {"clipbio": about["clipbio"], "git": about["git"], "python": about["python"], **about["packages"]},
    }


def data_hash(data: SpecimenData | None, suites: Sequence[OpenSuite] = ()) -> str:
    """Return what stands for the content of all that was evaluated: that of the data alone, if they are all."""
    found = [*([] if data is None else [data.folder.manifest.hash]), *(one.data.folder.manifest.hash for one in suites)]
    return found[0] if len(found) == 1 else hash_lines(found)


def _root(data: SpecimenData | None) -> str | None:
    if data is None:
        return "published"
    return None if data.root is None else Path(data.root).name


def _model(
    config: Mapping[str, Any], model: MultiTower | None, checkpoint: Path | None, given: GivenEmbeddings | None
) -> dict[str, Any]:
    vectors = {} if given is None else {"embeddings": given.hash}
    if model is None:
        name, weights = (None, "none") if given is None else (given.name, given.hash)
        return {"name": name, "pretrained": None, "checkpoint": None, "weights": weights, "parameters": {}, **vectors}
    settings = config.get("model") or {}
    return {
        **vectors,
        "name": settings.get("name") or str(settings.get("_target_", "")),
        "pretrained": settings.get("pretrained"),
        "checkpoint": None if checkpoint is None else _short(checkpoint),
        "expected": config.get("expected"),
        "weights": model_hash(model),
        "parameters": {count.tower: count.total for count in model.summary()},
    }


def _short(checkpoint: Path) -> str:
    """Return RUN/best.ckpt of a checkpoint in a run folder: the place of the run says nothing."""
    folder = checkpoint.parent
    run = folder.parent if folder.name == "checkpoints" else folder
    return f"{run.resolve().name}/{checkpoint.name}"


def model_hash(model: MultiTower) -> str:
    """Return a SHA-256 of the weights of all towers with their projections, and of what else decides the vectors."""
    towers = {name: model.tower(name) for name in sorted(model.modalities)}
    told = (
        f"{name}|{projection}|{tower.vector_fingerprint(projection)}"
        for name, tower in towers.items()
        for projection in sorted(tower.projections.keys())
    )
    return hash_lines(told)


def _settings(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return one setting of every benchmark that has it, those of data sets as SET/TASK."""
    benchmarks = {str(name): one for name, one in (config.get("benchmark") or {}).items() if isinstance(one, Mapping)}
    for name, one in list(benchmarks.items()):
        if is_suite(one):
            benchmarks |= {f"{name}/{task}": settings for task, settings in one["tasks"].items()}
    return {name: one[key] for name, one in benchmarks.items() if key in one}


def _templates(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return name and hash of the prompt templates of every benchmark that has any, of several sets `NAME@SET`."""
    asked = {name: one for name, one in _settings(config, "template").items() if one}
    found = {
        f"{name}@{key}" if key else name: one
        for name, template in asked.items()
        for key, one in prompt_sets(template).items()
    }
    return {name: {"id": template_id(one), "hash": hash_lines(templates(one))} for name, one in found.items()}


def hashes(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hashes of weights, data, templates and of the classes of each split."""
    return {
        "weights": identity["model"]["weights"],
        "data": identity["data"]["manifest"],
        "templates": {name: one["hash"] for name, one in identity["templates"].items()},
        "classes": {name: one["classes_hash"] for name, one in identity["splits"].items()},
        "specimens": {name: one["ids_hash"] for name, one in identity["splits"].items()},
    }


def measured(identity: Mapping[str, Any]) -> dict[str, str]:
    """Return what was measured as a reader is told: counts, and hashes cut short."""
    versions = identity["versions"]
    packages = ("clipbio", "torch", "open_clip_torch")
    commit = str(versions["git"].get("commit", ""))[:10] + (" with changes" if versions["git"].get("changed") else "")
    prompts = (f"{name}: {one['id']}" for name, one in identity["templates"].items())
    return {
        "weights": identity["model"]["weights"][:12],
        "data": identity["data"]["manifest"][:12],
        **{name: _split(one) for name, one in identity["splits"].items()},
        "prompts": ", ".join(prompts),
        "protocol": _joined(identity["protocol"]),
        "precision": f"vectors {identity['precision']['vectors']}, on {identity['device']}",
        "versions": ", ".join(f"{name} {versions[name]}" for name in packages),
        "code": commit,
    }


def _split(one: Mapping[str, Any]) -> str:
    counts = f"{one['specimens']:,} specimens, {one['images']:,} images of {one['classes']:,} classes"
    return f"{counts}; ids {one['ids_hash'][:8]}, classes {one['classes_hash'][:8]}"


def _joined(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
