"""Towers as ONNX files, each compared with the tower by onnxruntime.

Shape suffixes: B pictures, texts or barcodes, C channels, H height, W width, L tokens, D dimensions.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.exporting.openclip_folder import TEXTS, Exported
from clipbio.models import DnaTrunk, ImageTrunk, MultiTower, TextTrunk, Tower
from clipbio.models.transformers_trunk import TransformersTrunk
from clipbio.models.weights import first_line

__all__ = ["write_onnx"]

_SAME = 1e-4
# Beyond this a file of one piece is not possible, and weights go into a second one beside it.
_LARGEST = 1_800_000_000
_BARCODES = ("AACATTATATTTTATTTTTGGAATTTGAGCAGGAATAGTAGGAACTTCT", "ACGTNNACGT", "TTGGAACCTTGGAACC")


class _Image(nn.Module):
    """Normalised pixels (B, C, H, W) to unit vectors (B, D)."""

    def __init__(self, tower: Tower, projection: str) -> None:
        super().__init__()
        self.tower, self.projection = tower, projection

    def forward(self, pixels: Tensor) -> Tensor:
        return self.tower.project(self.tower.trunk.encoder(pixels), self.projection)


class _Text(nn.Module):
    """Tokens (B, L) of the full length to unit vectors (B, D)."""

    def __init__(self, tower: Tower, projection: str) -> None:
        super().__init__()
        self.tower, self.projection = tower, projection

    def forward(self, tokens: Tensor) -> Tensor:
        trunk: Any = self.tower.trunk
        # What trunks do to be fast, cutting empty columns, depends on the data and belongs to no graph.
        features = trunk.untrimmed(tokens) if isinstance(trunk, TransformersTrunk) else trunk.encoder(tokens)
        return self.tower.project(features, self.projection)


class _Dna(nn.Module):
    """Tokens (B, L) of barcodes of the full length to unit vectors (B, D)."""

    def __init__(self, tower: Tower, projection: str) -> None:
        super().__init__()
        self.tower, self.projection = tower, projection

    def forward(self, tokens: Tensor) -> Tensor:
        trunk: Any = self.tower.trunk
        return self.tower.project(trunk.pool(*trunk.states(tokens)), self.projection)


class _Form(NamedTuple):
    """A tower to write: its graph, the name of its input, inputs of some rows, and what a user must know."""

    graph: nn.Module
    input_name: str
    inputs: Tensor
    facts: dict[str, Any]


def write_onnx(folder: Path, model: MultiTower, *, projection: str = "default") -> Exported:
    """Write `image.onnx`, `text.onnx` and `dna.onnx`, as far as the model has such towers.

    Args:
        folder: An empty folder.
        model: The towers, adapters merged.
        projection: Which projections are taken.

    Raises:
        ClipbioError: The extra is not installed, a tower cannot be expressed, or its vectors are others.
    """
    runtime = _runtime()
    exported = Exported()
    for name in model.modalities:
        form = _form(model.tower(name), projection)
        form.facts.update(projection=projection, dim=model.dim, output="unit vectors")
        path = folder / f"{name}.onnx"
        _write(path, name, form)
        exported.checks |= _check(path, name, form, runtime)
    exported.notes += [
        "Batches may have any number of rows; vectors have unit length, so a product is a cosine.",
        "Metadata `clipbio` of each file tells transform or tokenizer as JSON.",
    ]
    _write_tokenizer(folder, model, exported)
    return exported


def _runtime() -> Any:
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ClipbioError(
            f"format=onnx needs the package {error.name}, which is not installed: pip install 'clipbio[onnx]'"
        ) from error
    return onnxruntime


def _form(tower: Tower, projection: str) -> _Form:
    trunk = tower.trunk
    if isinstance(trunk, ImageTrunk):
        return _image_form(tower, trunk, projection)
    if isinstance(trunk, TextTrunk):
        facts = {"context_length": trunk.context_length, "pad_id": trunk.tokenizer.pad_id, "input": "int64 tokens"}
        return _Form(_Text(tower, projection), "tokens", trunk.tokenizer((*TEXTS, "long " * 200)), facts)
    assert isinstance(trunk, DnaTrunk)
    tokens_BL = trunk.tokenizer(list(_BARCODES)).long()
    facts = {"context_length": trunk.context_length, "input": "int64 tokens", "tokenizer": trunk.tokenizer.identity}
    return _Form(_Dna(tower, projection), "tokens", tokens_BL, facts)


def _image_form(tower: Tower, trunk: ImageTrunk, projection: str) -> _Form:
    spec = trunk.spec
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (2, 3, *spec.size), generator=generator)
    # Pictures are smoother than noise: patches of one colour.
    coarse = torch.randint(0, 256, (2, 3, 6, 6), generator=generator).float()
    smooth = functional.interpolate(coarse, spec.size, mode="bilinear").round().long()
    pixels_BCHW = trunk.normalise(torch.cat([noise, smooth]).to(torch.uint8)).contiguous()
    facts = {
        "input": "float32 pixels, RGB, (value / 255 - mean) / std",
        "size": list(spec.size),
        "mean": list(spec.mean),
        "std": list(spec.std),
        "interpolation": spec.interpolation,
        "resize_mode": spec.resize_mode,
        "crop_fraction": spec.crop_fraction,
        "fill": spec.fill,
    }
    return _Form(_Image(tower, projection), "pixels", pixels_BCHW, facts)


def _write(path: Path, name: str, form: _Form) -> None:
    size = sum(one.numel() * one.element_size() for one in form.graph.parameters())
    try:
        with _quiet(), torch.no_grad():
            program: Any = torch.onnx.export(
                form.graph.eval(),
                (form.inputs,),
                dynamo=True,
                input_names=[form.input_name],
                output_names=["vectors"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=1 << 20)},),
                verbose=False,
            )
            program.model.metadata_props["clipbio"] = json.dumps(form.facts)
            program.save(str(path), external_data=size > _LARGEST)
    except Exception as error:  # what the exporter raises is not documented
        raise ClipbioError(
            f"the {name} tower cannot be written as ONNX ({type(error).__name__}: {first_line(error)}); "
            "take format=open_clip or format=checkpoint"
        ) from error


@torch.no_grad()
def _check(path: Path, name: str, form: _Form, runtime: Any) -> dict[str, float | bool]:
    """Compare a file with its tower on several numbers of rows; return the lowest cosine."""
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    lowest = 1.0
    for rows in (1, 2, len(form.inputs)):
        inputs = form.inputs[-rows:]
        (given,) = session.run(["vectors"], {form.input_name: inputs.numpy()})
        cosine = functional.cosine_similarity(torch.from_numpy(given), form.graph(inputs).cpu())
        lowest = min(lowest, float(cosine.min()))
    if not lowest > 1 - _SAME:
        raise ClipbioError(f"{path.name} does not give the vectors of the {name} tower (cosine {lowest:.6f})")
    return {f"{name}_cosine": lowest}


def _write_tokenizer(folder: Path, model: MultiTower, exported: Exported) -> None:
    if "text" not in model.modalities:
        return
    trunk = model.tower("text").trunk
    assert isinstance(trunk, TextTrunk)
    inner = getattr(trunk.tokenizer.library, "tokenizer", None)
    if inner is not None:
        inner.save_pretrained(folder)
        exported.notes.append(f"Texts are padded or cut to {trunk.context_length} tokens of the tokenizer beside.")
    else:
        exported.notes.append(
            f"Tokens are those of open_clip's own tokenizer (`open_clip.SimpleTokenizer(context_length="
            f"{trunk.context_length})`), the one of CLIP, padded with zeros."
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what the exporter prints and warns of: none of it is about the model."""
    loggers: Mapping[str, int] = {
        name: logging.getLogger(name).level for name in ("torch.onnx", "onnxscript", "onnx_ir")
    }
    for name in loggers:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in loggers.items():
            logging.getLogger(name).setLevel(level)
