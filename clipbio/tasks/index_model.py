"""The model of an index: what its manifest says of it, how it is loaded again, and that no other takes its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbio.errors import ClipbioError

if TYPE_CHECKING:
    from clipbio.models import MultiTower
    from clipbio.tasks.loading import LoadedModel

__all__ = ["check_same_model", "model_facts", "model_source"]

Config = Mapping[str, Any]
Facts = Mapping[str, Any]

# An index may come from somebody else: of what Hydra could build, only models and their tokenizers.
_MODELS = ("clipbio.models.", "clipbio.dna.")
_SHOWN = 12


def model_facts(config: Config, loaded: LoadedModel, *, decoder: str, sheet_mask: bool) -> dict[str, Any]:
    """Return what the manifest of an index says of its model.

    Args:
        config: Names the model: `checkpoint` and `weights`, or `model`.
        loaded: The model.
        decoder: How pictures are decoded.
        sheet_mask: Whether labels of sheets are painted over.
    """
    if loaded.path is None:
        source: dict[str, Any] = {"model": config["model"]}
    else:
        source = {"checkpoint": str(Path(config["checkpoint"]).expanduser().resolve()), "weights": config["weights"]}
    return {
        "name": loaded.name,
        "source": source,
        "weights": _fingerprints(loaded.model),
        "transform": {"decoder": decoder, "sheet_mask": sheet_mask},
    }


def model_source(facts: Facts, index: Path, config: Config) -> dict[str, Any]:
    """Return where the model of an index is, as `load_model` takes it.

    Args:
        facts: What the manifest says of it (`model_facts`).
        index: Folder of the index, for messages.
        config: `checkpoint` or `model`, where the model is to be found now; both None is where it was.

    Raises:
        ClipbioError: It is not there any more.
    """
    named = config.get("checkpoint") is not None or config.get("model") is not None
    source = dict(config) if named else _source(facts, index)
    checkpoint = source.get("checkpoint")
    if not named and checkpoint is not None and not Path(checkpoint).exists():
        raise ClipbioError(f"{index} was made with {checkpoint}, which is not there: give its model as checkpoint=RUN")
    return {"weights": "auto", "checkpoint": None, "model": None} | source


def check_same_model(facts: Facts, index: Path, loaded: LoadedModel) -> None:
    """Refuse a model whose vectors are not those of an index.

    Raises:
        ClipbioError: The weights of a tower differ; both hashes are told.
    """
    before, now = dict(facts["weights"]), _fingerprints(loaded.model)
    if changed := [name for name in before if before[name] != now.get(name)]:
        name = changed[0]
        other = f"{name} {now[name][:_SHOWN]}" if name in now else f"no tower '{name}'"
        raise ClipbioError(
            f"{index} was made with {facts['name']} ({name} {before[name][:_SHOWN]}), {loaded.name} is another model "
            f"({other}): give checkpoint= or model= of the one that made it, or make the index again"
        )


def _source(facts: Facts, index: Path) -> dict[str, Any]:
    source = facts.get("source")
    if not source:
        raise ClipbioError(f"{index} does not say which model made it: give checkpoint=RUN")
    if foreign := [name for name in _targets(source) if not name.startswith(_MODELS)]:
        raise ClipbioError(f"{index} names '{foreign[0]}' as its model, which is none: give checkpoint= or model=")
    return dict(source)


def _targets(value: Any) -> Iterator[str]:
    """Yield all that settings would build."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            yield str(value["_target_"])
        for one in value.values():
            yield from _targets(one)
    elif isinstance(value, list):
        for one in value:
            yield from _targets(one)


def _fingerprints(model: MultiTower) -> dict[str, str]:
    return {name: model.tower(name).vector_fingerprint() for name in model.modalities}
