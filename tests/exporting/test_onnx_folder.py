"""Towers as ONNX files: onnxruntime gives the vectors of the model, for any number of rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from berts import save_bert
from small_models import save_openclip, scramble

from clipbio.dna import BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.exporting.onnx_folder import write_onnx
from clipbio.models import BertDna, MultiTower, TimmImage, TransformersText, openclip

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")


def session(folder: Path, name: str) -> Any:
    return onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])


@torch.no_grad()
def test_towers_of_open_clip(tmp_path: Path) -> None:
    save_openclip(tmp_path / "vit", "vit")
    model = openclip(str(tmp_path / "vit")).eval()
    (tmp_path / "out").mkdir()
    exported = write_onnx(tmp_path / "out", model)
    assert {*exported.checks} == {"image_cosine", "text_cosine"}
    assert min(exported.checks.values()) > 1 - 1e-5
    image: Any = model.tower("image").trunk
    pixels_BCHW = torch.randint(0, 256, (7, 3, *image.spec.size), dtype=torch.uint8)
    (given,) = session(tmp_path / "out", "image").run(None, {"pixels": image.normalise(pixels_BCHW).numpy()})
    torch.testing.assert_close(torch.from_numpy(given), model.tower("image")(pixels_BCHW), atol=1e-5, rtol=0)
    text: Any = model.tower("text").trunk
    tokens_BL = text.tokenizer(["oak", "a photo of a rose.", "", "x" * 300, "beech"])
    (given,) = session(tmp_path / "out", "text").run(None, {"tokens": tokens_BL.numpy()})
    torch.testing.assert_close(torch.from_numpy(given), model.tower("text")(tokens_BL), atol=1e-5, rtol=0)
    facts = json.loads(session(tmp_path / "out", "image").get_modelmeta().custom_metadata_map["clipbio"])
    assert facts["mean"] == pytest.approx([0.4, 0.5, 0.6])
    assert facts["size"] == [32, 32]


def test_towers_of_timm_and_transformers(tmp_path: Path) -> None:
    image = TimmImage(name="test_efficientnet", image_size=64, input_norm="standard").build(dim=8)
    text = TransformersText(weights=str(save_bert(tmp_path / "bert")), context_length=16, projection="mlp").build(dim=8)
    tokenizer = BarcodeTokenizer(k=2, max_length=20)
    dna = BertDna(tokenizer=tokenizer, layers=1, heads=2, width=16, max_positions=16, trunk_dropout=0.0).build(dim=8)
    model = scramble(MultiTower({"image": image, "text": text, "dna": dna})).eval()
    (tmp_path / "out").mkdir()
    exported = write_onnx(tmp_path / "out", model)
    assert min(exported.checks.values()) > 1 - 1e-5
    assert (tmp_path / "out" / "tokenizer.json").is_file()


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ClipbioError, match=r"needs the package onnxruntime, .* pip install 'clipbio\[onnx\]'"):
        write_onnx(tmp_path, MultiTower({"image": TimmImage(name="test_efficientnet").build(dim=8)}))
