"""Queries become the vectors that the model gives, by many threads at once, and bad ones are told in a line."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch
from PIL import Image
from tables import encoded
from torch import Tensor, nn

from clipbio.config import compose, plain
from clipbio.data.transforms import ImageTransform
from clipbio.dna import BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.models import DnaTrunk, ImageSpec, ImageTrunk, MultiTower, TextTrunk, Tokenizer, Tower, build_projection
from clipbio.models.pooling import Pooling
from clipbio.tasks.index_model import check_same_model, model_facts, model_source
from clipbio.tasks.late_encoder import LateEncoder
from clipbio.tasks.loading import LoadedModel
from clipbio.tasks.query_encoder import ModelEncoder

BARCODE = "ACGTTGCAACGTACGTTAGC"


class Letters(nn.Module):
    """Average of a vector for each token."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4096, 8)

    def forward(self, tokens_BL: Tensor, mask_BL: Tensor | None = None) -> Tensor:
        states_BLF: Tensor = self.table(tokens_BL)
        return states_BLF if mask_BL is not None else states_BLF.mean(1)


def letters(texts: list[str], length: int) -> Tensor:
    return torch.tensor([[ord(char) % 4096 for char in text[:length].ljust(length)] for text in texts])


def towers(*modalities: str, seed: int = 0) -> MultiTower:
    torch.manual_seed(seed)
    spec = ImageSpec((16, 16), (0.5,) * 3, (0.2,) * 3)
    image = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    trunks = {
        "image": ImageTrunk(image, width=8, spec=spec, config={}),
        "text": TextTrunk(Letters(), width=8, tokenizer=Tokenizer(letters, context_length=40, pad_id=0), config={}),
        "dna": DnaTrunk(Letters(), width=8, tokenizer=BarcodeTokenizer(k=3), pool=Pooling("mean"), config={}),
    }
    chosen = {name: trunks[name] for name in modalities or trunks}
    projections = {name: {"default": build_projection("linear", 8, dim=6)} for name in chosen}
    return MultiTower({name: Tower(trunk, projections[name]) for name, trunk in chosen.items()}).eval()


@pytest.fixture
def picture() -> bytes:
    return encoded(3)


def test_vectors_are_those_of_the_towers(picture: bytes) -> None:
    model = towers()
    encoder = ModelEncoder(model, decoder="pillow")
    assert encoder.modalities == {"image", "text", "dna"}
    trunk = model.tower("image").trunk
    assert isinstance(trunk, ImageTrunk)
    with torch.inference_mode():
        image_D = model.tower("image")(ImageTransform(trunk.spec, decoder="pillow")(picture)[None])[0]
        dna_D = model.tower("dna")(BarcodeTokenizer(k=3)([BARCODE]))[0]
    np.testing.assert_allclose(encoder.image(picture), image_D, atol=1e-6)
    for barcode in (BARCODE, f">BIN:1 Pica\n{BARCODE[:9].lower()}\n{BARCODE[9:]}\n", f" {BARCODE[:5]}--{BARCODE[5:]} "):
        np.testing.assert_allclose(encoder.dna(barcode), dna_D, atol=1e-6)
    text_TD = encoder.text(["leaves opposite", "white flowers", "leaves opposite"])
    assert text_TD.dtype == encoder.image(picture).dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(text_TD, axis=1), 1, atol=1e-6)
    assert np.array_equal(text_TD[0], text_TD[2])
    assert not np.allclose(text_TD[0], text_TD[1])


def test_it_tells_where_words_are_in_pictures(picture: bytes) -> None:
    maps_TYX = ModelEncoder(towers()).heat(picture, ["white flowers", "leaves"])
    assert len(maps_TYX) == 2
    assert 0 <= maps_TYX.min() <= maps_TYX.max() <= 1
    assert not ModelEncoder(towers("text", "dna")).grounds
    assert LateEncoder(lambda: ModelEncoder(towers()), frozenset({"text", "image"})).grounds
    with pytest.raises(ClipbioError, match="no image tower"):
        ModelEncoder(towers("text")).heat(picture, ["leaves"])


def test_threads_do_not_mix_their_queries(picture: bytes) -> None:
    encoder = ModelEncoder(towers())
    texts = [f"flowers of kind {number}" for number in range(40)]
    alone = [encoder.text([text])[0] for text in texts]
    image_D = encoder.image(picture)
    with ThreadPoolExecutor(8) as threads:
        images = [threads.submit(encoder.image, picture) for _ in texts]
        together = list(threads.map(lambda text: encoder.text([text])[0], texts))
    np.testing.assert_allclose(together, alone, atol=1e-6)
    for one in images:
        np.testing.assert_allclose(one.result(), image_D, atol=1e-6)


@pytest.mark.parametrize(
    ("barcode", "told"),
    [
        ("MKVLPTEF", "reads like a protein"),
        ("NNNN--", "has no known base"),
        (f">a\n{BARCODE}\n>b\n{BARCODE}", "several FASTA records"),
        ("A" * 100_001, "100001 letters"),
    ],
)
def test_what_is_no_barcode_is_told(barcode: str, told: str) -> None:
    with pytest.raises(ClipbioError, match=told):
        ModelEncoder(towers()).dna(barcode)


def test_what_is_no_picture_is_told(picture: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = ModelEncoder(towers())
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    for data, told in (
        (svg, "not a JPEG"),
        (b"", "not a JPEG"),
        (picture[:-200], "^the picture cannot be read: [^:]*truncated"),
    ):
        with pytest.raises(ClipbioError, match=told):
            encoder.image(data)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(ClipbioError, match="bytes, more than"):
        encoder.image(bytes(64 * 2**20 + 1))


def test_what_the_model_does_not_encode_is_told(picture: bytes) -> None:
    encoder = ModelEncoder(towers("image", "text"))
    assert encoder.modalities == {"image", "text"}
    with pytest.raises(ClipbioError, match="encodes pictures and texts, no barcodes"):
        encoder.dna(BARCODE)
    with pytest.raises(ClipbioError, match="encodes barcodes, no pictures"):
        ModelEncoder(towers("dna")).image(picture)
    with pytest.raises(ClipbioError, match="no texts"):
        ModelEncoder(towers("dna")).text(["a"])


def test_another_model_is_refused_with_both_hashes(tmp_path: Path) -> None:
    first, other = LoadedModel(towers("image"), "first"), LoadedModel(towers("image", seed=1), "other")
    facts = model_facts({"model": {"_target_": "clipbio.models.openclip"}}, first, decoder="fast", sheet_mask=False)
    check_same_model(facts, tmp_path, first)
    before, now = (one.model.tower("image").vector_fingerprint()[:12] for one in (first, other))
    with pytest.raises(ClipbioError, match=f"made with first.*{before}.*other is another model.*{now}"):
        check_same_model(facts, tmp_path, other)
    with pytest.raises(ClipbioError, match="no tower 'image'"):
        check_same_model(facts, tmp_path, LoadedModel(towers("text"), "third"))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"checkpoint": "/nowhere/run"}, "made with /nowhere/run, which is not there: give its model"),
        ({}, "does not say which model"),
        ({"model": {"_target_": "torch.load", "f": "x"}}, "'torch.load' as its model, which is none"),
        (
            {"model": {"_target_": "clipbio.models.towers", "image": [{"_target_": "torch.hub.load"}]}},
            "'torch.hub.load' as its model",
        ),
    ],
)
def test_what_an_index_names_as_its_model_is_not_trusted(source: dict[str, object], told: str, tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match=told):
        model_source({"name": "x", "source": source, "weights": {}}, tmp_path, {})


@pytest.mark.parametrize("name", ["lite", "trimodal_tiny", "bioscan_clip"])
def test_the_models_of_the_configs_may_be_named(name: str, tmp_path: Path) -> None:
    model = plain(compose("index", [f"model={name}", "out=x"]))["model"]
    facts = {"name": "x", "source": {"model": model}, "weights": {}}
    assert model_source(facts, tmp_path, {})["model"] == model


def test_who_asks_before_the_model_is_loaded_waits() -> None:
    begun, told = Event(), []

    def load() -> ModelEncoder:
        begun.wait(10)
        return ModelEncoder(towers("text"))

    late = LateEncoder(load, frozenset({"text"}))
    late.start()
    late.when_failed(told.append)
    assert late.modalities == {"text"}
    assert not late.is_ready
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(late.text, ["white flowers"])
        with pytest.raises(TimeoutError):
            answer.result(0.05)
        begun.set()
        np.testing.assert_allclose(answer.result(10), ModelEncoder(towers("text")).text(["white flowers"]), atol=1e-6)
    assert late.is_ready
    assert not late.has_failed
    assert not told


def test_a_model_that_cannot_be_loaded_later_is_told_to_all_who_ask(picture: bytes) -> None:
    def load() -> ModelEncoder:
        raise ClipbioError("another model")

    late = LateEncoder(load, frozenset({"text", "image", "dna"}))
    late.start()
    for ask in (lambda: late.text(["a"]), lambda: late.image(picture), lambda: late.dna(BARCODE)):
        with pytest.raises(ClipbioError, match="another model"):
            ask()
    told: list[BaseException] = []
    late.when_failed(told.append)
    assert [str(one) for one in told] == ["another model"]
    assert late.has_failed


def test_what_a_server_waits_for_is_not_imported_too_soon() -> None:
    """Lightning takes seconds to import and no query needs it; torch waits until the model is loaded."""
    code = """
import sys
import clipbio.tasks.index_opening, clipbio.tasks.serve, clipbio.serving.app
print("torch" in sys.modules)
import clipbio.tasks.query_encoder
print("pytorch_lightning" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
