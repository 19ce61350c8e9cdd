"""Towers give what stock open_clip gives, and their projection is split off."""

import json
import logging
import pickle

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import ARCHITECTURES, architecture
from torch import nn

from clipbio.errors import ClipbioError
from clipbio.models import TowerOptions, openclip

TEXTS = ["a photo of Pica hudsonia.", "b", "a long text that is cut " * 9]
IDENTITY = {
    "resnet": ["image"],
    "siglip": ["image"],
    "timm_attention_pool": ["image"],
    "vit_attention_pool": ["text"],
}


def pixels(model, count=3):
    size = model.tower("image").trunk.spec.size
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def normalised(model, images):
    spec = model.tower("image").trunk.spec
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    return (images / 255 - mean) / std


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_towers_equal_stock_open_clip(openclip_folder, name):
    folder = openclip_folder(name)
    stock = open_clip.create_model(f"local-dir:{folder}").eval()
    model = openclip(str(folder)).eval()
    images, tokens = pixels(model), model.tower("text").trunk.tokenizer(TEXTS)
    assert torch.equal(tokens, open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS))
    with torch.no_grad():
        ours = model({"image": images, "text": tokens})
        theirs = {
            "image": stock.encode_image(normalised(model, images), normalize=True),
            "text": stock.encode_text(tokens, normalize=True),
        }
        for modality in theirs:
            torch.testing.assert_close(ours[modality], theirs[modality], atol=1e-5, rtol=0)
            cached = model.tower(modality).features({"image": images, "text": tokens}[modality])
            assert cached.shape == (3, model.tower(modality).trunk.width)
            torch.testing.assert_close(model.tower(modality)(cached), ours[modality], atol=1e-6, rtol=0)
    assert model.initial_logit_scale == pytest.approx(3.25)
    bias = stock.logit_bias
    assert model.initial_logit_bias == (None if bias is None else pytest.approx(bias.item()))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_projection_is_split_off_where_it_can_be(openclip_folder, name):
    model = openclip(str(openclip_folder(name)))
    for modality in ("image", "text"):
        body = model.tower(modality).projections["default"].body
        assert isinstance(body, nn.Identity) == (modality in IDENTITY.get(name, []))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_groups_hold_each_trunk_weight_once(openclip_folder, name):
    model = openclip(str(openclip_folder(name)))
    for modality in ("image", "text"):
        trunk = model.tower(modality).trunk
        grouped = [id(parameter) for group in trunk.groups() for parameter in group]
        assert len(grouped) == len(set(grouped))
        assert set(grouped) == {id(parameter) for parameter in trunk.parameters()}
        assert all(trunk.groups())


@pytest.mark.parametrize("unlocked", [0, 1, 2, 3])
def test_unlocked_groups_are_those_of_open_clip(openclip_folder, unlocked):
    folder = str(openclip_folder("vit"))
    stock = open_clip.create_model(f"local-dir:{folder}", force_custom_text=True)
    # open_clip counts the projection as the last group, here it is not part of the trunk.
    stock.lock_image_tower(unlocked_groups=unlocked + 1)
    stock.lock_text_tower(unlocked_layers=unlocked + 1)
    options = TowerOptions(unlocked=unlocked)
    counts = {count.tower: count for count in openclip(folder, image=options, text=options).summary()}
    for modality, tower in (("image", stock.visual), ("text", stock.text)):
        assert counts[modality].trainable == sum(p.numel() for p in tower.parameters() if p.requires_grad)
        assert counts[modality].total == sum(p.numel() for p in tower.parameters())


def test_spec_is_that_of_the_folder(openclip_folder):
    spec = openclip(str(openclip_folder("vit"))).tower("image").trunk.spec
    assert (spec.size, spec.mean, spec.std) == ((32, 32), (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    assert (spec.interpolation, spec.crop_fraction, spec.resize_mode) == ("bicubic", 1.0, "shortest")


def test_other_input_sizes(openclip_folder):
    model = openclip(str(openclip_folder("vit")), image_size=48, context_length=7)
    assert model.tower("image").trunk.spec.size == (48, 48)
    assert model.tower("text").trunk.context_length == 7
    out = model({"image": pixels(model), "text": model.tower("text").trunk.tokenizer(TEXTS)})
    assert out["image"].shape == out["text"].shape == (3, 24)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_from_a_file(openclip_folder, tmp_path, suffix):
    folder = openclip_folder("vit")
    file = folder / "open_clip_model.safetensors"
    if suffix == ".pt":
        file = tmp_path / "epoch_1.pt"
        state = open_clip.create_model(f"local-dir:{folder}").state_dict()
        torch.save({"epoch": 1, "state_dict": {f"module.{key}": value for key, value in state.items()}}, file)
    path = tmp_path / "small.json"
    path.write_text(json.dumps(architecture("vit")))
    ours, theirs = openclip(str(path), str(file)), openclip(str(folder))
    for modality in ("image", "text"):
        for one, other in zip(ours.tower(modality).parameters(), theirs.tower(modality).parameters(), strict=True):
            assert torch.equal(one, other)
    assert ours.initial_logit_scale == pytest.approx(3.25)


def test_architecture_files_of_one_name_stay_apart(tmp_path):
    sizes = []
    for layers in (1, 2):
        config = architecture("vit")
        config["vision_cfg"]["layers"] = layers
        path = tmp_path / str(layers) / "ViT-B-32.json"
        path.parent.mkdir()
        path.write_text(json.dumps(config))
        sizes.append(openclip(str(path)).summary()[0].total)
    assert sizes[0] < sizes[1] < 1_000_000


def test_seed_decides_new_weights_and_nothing_else(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(architecture("vit")))
    torch.manual_seed(7)
    before = torch.get_rng_state()
    models = [openclip(str(path), seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(before, torch.get_rng_state())
    first, again, other = [model.tower("image").fingerprint() for model in models]
    assert first == again != other


def test_restored_model_reads_no_weights(openclip_folder, tmp_path):
    folder = openclip_folder("vit")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    trained = openclip(str(folder))
    restored = openclip(str(copy), load_weights=False)
    assert restored.tower("image").fingerprint() != trained.tower("image").fingerprint()
    restored.load_state_dict(trained.state_dict())
    assert restored.tower("image").fingerprint() == trained.tower("image").fingerprint()
    assert restored.tower("text").fingerprint() == trained.tower("text").fingerprint()


def test_new_projections_of_another_dimension(openclip_folder):
    options = {"image": {"projection": "mlp"}, "text": {"projection": "linear"}}
    model = openclip(str(openclip_folder("vit")), dim=10, **options)
    out = model({"text": model.tower("text").trunk.tokenizer(TEXTS)})
    assert model.dim == 10
    assert out["text"].shape == (3, 10)


def test_tag_brings_its_activation_and_normalisation_without_a_download():
    plain = openclip("RN50", "openai", load_weights=False).tower("image").trunk
    assert plain.config["quick_gelu"] is True
    quick = openclip("RN50-quickgelu", "openai", load_weights=False).tower("image").trunk
    assert plain.spec == quick.spec


def test_tokenizer_travels_to_workers(openclip_folder):
    for name in ("vit", "hugging_face_text"):
        tokenizer = openclip(str(openclip_folder(name))).tower("text").trunk.tokenizer
        assert tokenizer([]).shape == (0, 12)
        copy = pickle.loads(pickle.dumps(tokenizer))
        assert torch.equal(copy(TEXTS), tokenizer(TEXTS))
        assert copy.identity == tokenizer.identity


@pytest.mark.parametrize("extra", ["visual.continual_proj", "visual.caption_proj"])
def test_further_projections_of_forks_are_left_out_and_told(openclip_folder, tmp_path, caplog, extra):
    folder = openclip_folder("vit")
    state = load_file(folder / "open_clip_model.safetensors")
    state |= {extra: state["visual.proj"] + 1, "logit_scale_caption": torch.ones(())}
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "fork.pt")
    path = tmp_path / "small.json"
    path.write_text(json.dumps(architecture("vit")))
    with caplog.at_level(logging.WARNING, logger="clipbio"):
        ours, theirs = openclip(str(path), str(tmp_path / "fork.pt")), openclip(str(folder))
    assert extra in caplog.text
    for one, other in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    # A folder is loaded by open_clip itself.
    (tmp_path / "folder").mkdir()
    save_file(state, tmp_path / "folder" / "open_clip_model.safetensors")
    (tmp_path / "folder" / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    with pytest.raises(ClipbioError, match=r"unknown weight .*; give that file as model.pretrained"):
        openclip(str(tmp_path / "folder"))
    again = openclip(str(tmp_path / "folder"), str(tmp_path / "folder" / "open_clip_model.safetensors"))
    assert torch.equal(next(again.parameters()), next(theirs.parameters()))
