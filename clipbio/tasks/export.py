"""`python -m clipbio export`: a trained model for use elsewhere, adapters merged into its weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError, nearest
from clipbio.exporting.card import RunFacts, model_card, read_run
from clipbio.exporting.onnx_folder import write_onnx
from clipbio.exporting.openclip_folder import CONFIG, WEIGHTS, write_openclip
from clipbio.files import whole_folder, write_json, write_text
from clipbio.models import ImageTrunk
from clipbio.tasks.asked import flag, new_folder
from clipbio.tasks.loading import LoadedModel, load_model
from clipbio.training.atomic_checkpoints import AtomicCheckpoints
from clipbio.training.checkpoints import chosen_weights

__all__ = ["export_weights"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]

_FACTS = "export.json"
_USAGE = """```python
import open_clip

model, _, preprocess = open_clip.create_model_and_transforms("local-dir:FOLDER")  # or hf-hub:ORG/NAME
tokenizer = open_clip.get_tokenizer("local-dir:FOLDER")
model.eval()
```"""
_ONNX_USAGE = """```python
import onnxruntime

session = onnxruntime.InferenceSession("FOLDER/image.onnx")
(vectors,) = session.run(["vectors"], {"pixels": pixels})  # text.onnx: {"tokens": tokens}
transform = session.get_modelmeta().custom_metadata_map["clipbio"]
```"""


def export_weights(config: Config) -> None:
    """Write a model in the form that `format` names.

    Args:
        config: Plain resolved config of `conf/export.yaml`.

    Raises:
        ClipbioError: The form is unknown or cannot hold the model, or `out` is there already.
    """
    form = str(config["format"])
    if form not in _FORMS:
        raise ClipbioError(f"format={form} is unknown{nearest(form, _FORMS)}")
    _FORMS[form](config)


def _export_checkpoint(config: Config) -> None:
    """Write a checkpoint that holds weights alone, without adapters, optimiser or averages."""
    out = Path(str(config["out"])).expanduser()
    if out.exists() and not config["overwrite"]:
        raise ClipbioError(f"out={out} exists: give another file, or overwrite=true")
    if out.is_dir():
        raise ClipbioError(f"out={out} is a folder: format=checkpoint writes a file")
    loaded = load_model(config)
    assert loaded.path is not None
    trained = loaded.config
    state = {
        k: v
        for k, v in chosen_weights(loaded.checkpoint, str(config["weights"]), loaded.path).items()
        if not k.startswith("model.")
    }
    state |= {f"model.{name}": tensor for name, tensor in loaded.model.state_dict().items()}
    exported = {
        "clipbio": {
            **loaded.checkpoint["clipbio"],
            "config": {**trained, "model": _without_adapters(trained["model"])},
        },
        "state_dict": {name: tensor.contiguous().clone() for name, tensor in state.items()},
        "global_step": loaded.checkpoint["global_step"],
    }
    AtomicCheckpoints().save_checkpoint(exported, out)
    log.info("%s written: %s parameters", out, f"{sum(p.numel() for p in loaded.model.parameters()):,}")


def _export_openclip(config: Config) -> None:
    """Write a folder that stock open_clip loads, with a model card."""
    out = new_folder(config["out"], overwrite=flag(config["overwrite"], "overwrite"), mark=CONFIG)
    loaded = load_model(config)
    projection = str(config["projection"])
    with whole_folder(out) as work:
        exported = write_openclip(
            work,
            loaded.model,
            temperature=loaded.temperature(projection),
            projection=projection,
            hf_model_name=str(config["hf_model_name"] or out.resolve()),
            barcodes=loaded.config.get("model", {}).get("dna"),
        )
        _write_facts(work, config, loaded, exported.notes, exported.checks, _USAGE)
    for note in exported.notes:
        log.info("%s", note)
    log.info("%s written: open_clip loads %s as local-dir:%s", out, WEIGHTS, out)


def _export_onnx(config: Config) -> None:
    """Write a folder with each tower as an ONNX file."""
    out = new_folder(config["out"], overwrite=flag(config["overwrite"], "overwrite"), mark=_FACTS)
    loaded = load_model(config)
    with whole_folder(out) as work:
        exported = write_onnx(work, loaded.model, projection=str(config["projection"]))
        _write_facts(work, config, loaded, exported.notes, exported.checks, _ONNX_USAGE)
    told = ", ".join(f"{name.removesuffix('_cosine')} {value:.7f}" for name, value in exported.checks.items())
    log.info("%s written: lowest cosine to the model %s", out, told)


def _write_facts(
    folder: Path, config: Config, loaded: LoadedModel, notes: list[str], checks: Mapping[str, Any], usage: str
) -> None:
    """Write the model card and, for programs, what was exported and found."""
    run, metrics = read_run(loaded.run)
    model = loaded.model
    towers = {name: sum(one.numel() for one in model.tower(name).parameters()) for name in model.modalities}
    facts = RunFacts(
        name=loaded.name,
        config=loaded.config,
        step=loaded.checkpoint.get("global_step"),
        weights=f"{loaded.path.name if loaded.path else _FACTS} (weights={config['weights']})",
        towers=towers,
        manifests=(loaded.checkpoint.get("SpecimenData") or {}).get("manifests") or {},
        run=run,
        metrics=metrics,
        evaluated="the run's own evaluation of its best checkpoint",
        licence=str(config["licence"]),
        barcodes="dna" in towers,
        library=str(config["format"]),
    )
    preprocess: dict[str, Any] = {"dim": model.dim, "size": None}
    if "image" in model.modalities:
        trunk = model.tower("image").trunk
        assert isinstance(trunk, ImageTrunk)
        preprocess["size"] = trunk.spec.size
    write_text(folder / "README.md", model_card(facts, preprocess=preprocess, notes=notes, checks=checks, usage=usage))
    made = {"clipbio": metadata.version("clipbio"), "format": config["format"], "projection": config["projection"]}
    write_json(folder / _FACTS, {**made, "name": loaded.name, "checks": dict(checks), "notes": notes})


def _without_adapters(config: Any) -> Any:
    """Return a model's config with every `lora` set to null."""
    if not isinstance(config, Mapping):
        return config
    return {key: None if key == "lora" else _without_adapters(value) for key, value in config.items()}


_FORMS: Mapping[str, Callable[[Config], None]] = {
    "checkpoint": _export_checkpoint,
    "open_clip": _export_openclip,
    "onnx": _export_onnx,
}
