"""Models as folders of open_clip: whatever projection they have, stock open_clip gives the vectors of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from berts import save_bert
from safetensors.torch import load_file
from small_cocas import make_coca
from small_models import ARCHITECTURES, inputs_of, save_openclip, scramble

from clipbio.dna import BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.exporting.affine import affine_of
from clipbio.exporting.openclip_folder import Exported, write_openclip
from clipbio.models import ConvDna, MultiTower, TimmImage, TowerOptions, TransformersText, build_projection, openclip

SCALE = (3.25, None)


def model_of(tmp_path: Path, name: str = "vit", **options: Any) -> MultiTower:
    save_openclip(tmp_path / name, name)
    return openclip(str(tmp_path / name), **options).eval()


def write(model: MultiTower, folder: Path, **options: Any) -> Exported:
    folder.mkdir()
    more = {"temperature": SCALE, "hf_model_name": str(folder)} | options
    return write_openclip(folder, scramble(model, seed=3).eval(), **more)


@torch.no_grad()
def same_vectors(model: MultiTower, folder: Path, projection: str = "default") -> None:
    """Compare with stock open_clip, loaded as its users load it."""
    stock, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    texts = ["a cab.", "photo of a bad dab", "b"]
    pixels_BCHW = inputs_of(model.tower("image"))
    trunk: Any = model.tower("image").trunk
    given = stock.eval().encode_image(trunk.normalise(pixels_BCHW), normalize=True)
    torch.testing.assert_close(given, model.tower("image")(pixels_BCHW, projection), atol=1e-5, rtol=0)
    given = stock.encode_text(tokenizer(texts), normalize=True)
    tokens_BL = inputs_of(model.tower("text"))
    torch.testing.assert_close(given, model.tower("text")(tokens_BL, projection), atol=1e-5, rtol=0)
    assert float(stock.logit_scale) == 3.25


def test_the_towers_of_a_coca_come_back_without_its_decoder(tmp_path: Path) -> None:
    model = make_coca(tmp_path)
    exported = write(model, tmp_path / "out")
    same_vectors(model, tmp_path / "out")
    assert any("caption decoder of the CoCa is not in this folder" in note for note in exported.notes)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_comes_back(name: str, tmp_path: Path) -> None:
    model = model_of(tmp_path, name)
    exported = write(model, tmp_path / "out")
    same_vectors(model, tmp_path / "out")
    assert exported.checks["tokens_equal"]
    assert exported.checks["pixels_pillow_largest"] <= 1


@pytest.mark.parametrize(
    ("name", "image", "text"),
    [
        ("vit", {"projection": "linear"}, {"projection": "linear", "input_norm": "standard"}),
        ("vit", {"projection": "linear", "input_norm": "l2", "dropout": 0.5}, {"projection": "pretrained"}),
        ("timm_linear", {"projection": "linear", "input_norm": "standard"}, {"projection": "linear"}),
        ("timm_classifier", {"projection": "linear"}, {"projection": "linear"}),
        ("hugging_face_text", {"projection": "linear"}, {"projection": "linear"}),
    ],
)
def test_new_linear_projections_take_the_place_of_old_ones(
    name: str, image: dict[str, Any], text: dict[str, Any], tmp_path: Path
) -> None:
    dim = None if "pretrained" in (image["projection"], text["projection"]) else 20
    model = model_of(tmp_path, name, image=image, text=text, dim=dim)
    write(model, tmp_path / "out")
    same_vectors(model, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vit", {"image": {"projection": "mlp"}}, "the image projection is an MLP .* one linear layer alone"),
        ("vit", {"text": {"input_norm": "layer"}}, "behind input_norm=layer, which open_clip's transformer cannot"),
        ("vit", {"image": {"projection": "linear", "input_norm": "standard"}}, "needs a bias .* ViT has no place"),
        ("resnet", {"image": {"projection": "linear"}}, "ResNet cannot hold"),
        ("siglip", {"image": {"projection": "linear"}}, "it pools by attention"),
    ],
)
def test_what_no_architecture_holds_is_refused(
    name: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ClipbioError, match=message):
        write(model_of(tmp_path, name, **options), tmp_path / "out")


def test_towers_of_timm_and_transformers_become_one_model(tmp_path: Path) -> None:
    save_bert(tmp_path / "bert")
    image = TimmImage(name="test_efficientnet", image_size=64, preprocess={"crop_fraction": 0.875})
    text = TransformersText(weights=str(tmp_path / "bert"), context_length=16)
    model = MultiTower({"image": image.build(dim=8), "text": text.build(dim=8)}).eval()
    exported = write(model, tmp_path / "out")
    same_vectors(model, tmp_path / "out")
    assert any("crop_fraction" in note for note in exported.notes)
    assert exported.checks["pixels_pillow_largest"] <= 1
    assert any("hf_model_name" in note for note in exported.notes)
    other = TransformersText(weights=str(tmp_path / "bert"), pooling="mean_all").build(dim=8)
    with pytest.raises(ClipbioError, match="pooling=mean_all is none of open_clip's"):
        write(MultiTower({"image": image.build(dim=8), "text": other}), tmp_path / "refused")


def test_the_name_of_a_transformers_tower_is_written(tmp_path: Path) -> None:
    write(model_of(tmp_path, "hugging_face_text"), tmp_path / "out", hf_model_name="org/bert")
    config = json.loads((tmp_path / "out" / "open_clip_config.json").read_text())
    assert config["model_cfg"]["text_cfg"]["hf_model_name"] == "org/bert"
    assert config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] == "org/bert"


def test_one_projection_of_several_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    model = model_of(tmp_path, image=TowerOptions(projections=["plants"]), text=TowerOptions())
    exported = write(model, tmp_path / "out", projection="plants")
    assert "`default` of the same model are not" in exported.notes[0]
    same_vectors(model, tmp_path / "out", "plants")
    with pytest.raises(ClipbioError, match="projection=animals: the model has default, plants"):
        write(model, tmp_path / "none", projection="animals")


def test_a_bias_and_a_barcode_tower_go_along(tmp_path: Path) -> None:
    tokenizer = BarcodeTokenizer(k=2, stride=1, max_length=20, cls=False)
    towers = model_of(tmp_path).towers
    dna = ConvDna(tokenizer=tokenizer, layers=1, width=8, kernel=3).build(dim=24)
    model = MultiTower({**towers, "dna": dna})  # type: ignore[arg-type]
    exported = write(model, tmp_path / "out", temperature=(3.25, -10.0), barcodes={"layers": 1})
    same_vectors(model, tmp_path / "out")
    stock = open_clip.create_model(f"local-dir:{tmp_path / 'out'}")
    assert float(stock.logit_bias.detach()) == -10.0
    assert any("open_clip has no place for it" in note for note in exported.notes)
    saved = load_file(tmp_path / "out" / "dna_tower.safetensors")
    assert saved.keys() == model.tower("dna").state_dict().keys()
    assert json.loads((tmp_path / "out" / "dna_tower.json").read_text())["settings"] == {"layers": 1}
    with pytest.raises(ClipbioError, match="this one has no tower for image"):
        write(MultiTower({"text": model.tower("text")}), tmp_path / "refused")


@pytest.mark.parametrize("norm", ["none", "l2", "standard"])
def test_a_projection_is_its_linear_layer_up_to_length(norm: str) -> None:
    projection = scramble(build_projection("linear", 6, dim=4, input_norm=norm)).eval()
    features_BF = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    layer = affine_of(projection)
    assert layer is not None
    given = torch.nn.functional.linear(features_BF, layer.weight_DF, layer.bias_D)
    cosine = torch.nn.functional.cosine_similarity(given, projection(features_BF))
    assert torch.allclose(cosine, torch.ones(5), atol=1e-6)
    assert affine_of(build_projection("mlp", 6, dim=4)) is None
    assert affine_of(build_projection("linear", 6, dim=4, input_norm="layer")) is None
