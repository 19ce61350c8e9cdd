"""Adapters: what they are put on, that nothing else is trained, and that merging them changes no embedding."""

import copy
import sys

import pytest
import torch
from small_models import KINDS, inputs_of, scramble

from clipbio.errors import ClipbioError
from clipbio.models import MultiTower, TimmImage, openclip
from clipbio.models.lora import adopt_plain, has_adapters, merge_adapters

pytest.importorskip("peft", reason="the extra lora is not installed")
LORA = {"rank": 2, "alpha": 6.0}


def with_trained_adapters(tower):
    """Give adapters weights that matter: at the start they add nothing."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in tower.trunk.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return tower


@pytest.mark.parametrize("kind", KINDS)
def test_new_adapters_change_nothing_and_trained_ones_do(make_tower, kind):
    plain, adapted = make_tower(kind).eval(), make_tower(kind, lora=LORA).eval()
    inputs = inputs_of(plain)
    torch.testing.assert_close(adapted.features(inputs), plain.features(inputs), atol=1e-5, rtol=1e-5)
    with_trained_adapters(adapted)
    assert (adapted.features(inputs) - plain.features(inputs)).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_merged_adapters_give_the_same_embeddings_under_plain_names(make_tower, kind):
    adapted = with_trained_adapters(make_tower(kind, lora=LORA)).eval()
    inputs = inputs_of(adapted)
    with torch.no_grad():
        before = adapted(inputs)
        merge_adapters(adapted)
        torch.testing.assert_close(adapted(inputs), before, atol=1e-5, rtol=0)
        plain = make_tower(kind).eval()
        plain.load_state_dict(adapted.state_dict())
        torch.testing.assert_close(plain(inputs), before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_only_adapters_and_projection_move_in_training(make_tower, kind):
    tower = with_trained_adapters(make_tower(kind, lora=LORA))
    assert not tower.frozen
    before = copy.deepcopy(tower.state_dict())
    trained = [parameter for parameter in tower.parameters() if parameter.requires_grad]
    tower.train()
    (tower(inputs_of(tower)) * torch.randn(3, tower.dim())).sum().backward()
    torch.optim.Adam(trained, lr=0.1, eps=1e-20).step()
    moved = {name for name, tensor in tower.state_dict().items() if not torch.equal(tensor, before[name])}
    # What pools is no layer of the encoder: it gets no adapter and is trained itself, as CLIBD trains its new head.
    own = ("projections.", "trunk.pool.")
    expected = {name for name in before if "lora_" in name or name.startswith(own)}
    assert moved == expected
    assert any("lora_" in name for name in expected)


def test_the_frozen_weights_of_fused_attention_never_drift(make_tower):
    tower = with_trained_adapters(make_tower("openclip_image", lora=LORA))
    before = copy.deepcopy(tower.state_dict())
    objects = [id(parameter) for parameter in tower.parameters()]
    for _ in range(20):
        tower(inputs_of(tower))
    assert all(torch.equal(tensor, before[name]) for name, tensor in tower.state_dict().items())
    assert [id(parameter) for parameter in tower.parameters()] == objects


def test_fused_attention_equals_attention_with_added_weights(make_tower):
    adapted = with_trained_adapters(make_tower("openclip_image", lora=LORA | {"targets": ["attn"]})).eval()
    plain = make_tower("openclip_image").eval()
    state = adapted.state_dict()
    with torch.no_grad():
        for number, block in enumerate(plain.trunk.encoder.transformer.resblocks):
            prefix = f"trunk.encoder.transformer.resblocks.{number}.attn."
            for weight, part in ((block.attn.in_proj_weight, ""), (block.attn.out_proj.weight, "base_layer.out_proj.")):
                down, up = (state[f"{prefix}{part}lora_{half}.default.weight"] for half in "AB")
                weight += 3.0 * up @ down
        inputs = inputs_of(plain)
        torch.testing.assert_close(adapted(inputs), plain(inputs), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["openclip_image", "timm"])
def test_compiled_adapters_give_the_same_embeddings_and_gradients(make_tower, kind):
    plain, compiled = (with_trained_adapters(make_tower(kind, lora=LORA)) for _ in range(2))
    compiled.trunk.encoder.compile(backend="eager")
    for tower in (plain, compiled):
        tower(inputs_of(tower))[:, 0].sum().backward()
    with torch.no_grad():
        torch.testing.assert_close(compiled(inputs_of(plain)), plain(inputs_of(plain)), atol=1e-6, rtol=0)
    gradients = [[one.grad for one in tower.parameters() if one.requires_grad] for tower in (plain, compiled)]
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-4)


def test_unlocked_says_which_groups_get_adapters(make_tower):
    tower = make_tower("openclip_image", lora=LORA, unlocked=1)
    blocks = tower.trunk.encoder.transformer.resblocks
    assert [has_adapters(block.state_dict()) for block in blocks] == [False, False, True]
    names = [name for name, parameter in tower.trunk.named_parameters() if parameter.requires_grad]
    assert len(names) == 8
    assert all("lora_" in name for name in names)
    grouped = [id(parameter) for group in tower.trunk.groups() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in tower.trunk.parameters())
    tower.unlock(0)
    assert tower.frozen
    tower.unlock("all")
    assert [name for name, parameter in tower.trunk.named_parameters() if parameter.requires_grad] == names


def test_targets_are_endings_of_names(make_tower):
    tower = make_tower("bert", lora=LORA | {"targets": ["query", "layer.1.output.dense"]})
    adapted = {name.partition(".lora_")[0] for name in tower.trunk.encoder.state_dict() if "lora_" in name}
    layers = "encoder.layer"
    assert adapted == {
        f"{layers}.0.attention.self.query",
        f"{layers}.1.attention.self.query",
        f"{layers}.1.output.dense",
    }


def test_weights_of_a_plain_model_are_adopted_and_adapters_keep_their_start(make_tower):
    source = scramble(make_tower("openclip_text"), seed=4).eval()
    adapted = make_tower("openclip_text", lora=LORA).eval()
    adapted.load_state_dict(adopt_plain(adapted.state_dict(), source.state_dict()))
    inputs = inputs_of(source)
    torch.testing.assert_close(adapted(inputs), source(inputs), atol=1e-5, rtol=0)


def test_seed_decides_the_start_of_adapters(openclip_folder):
    folder, image = str(openclip_folder("vit")), {"lora": LORA}
    first, again, other = (openclip(folder, image=image, seed=seed).tower("image").fingerprint() for seed in (0, 0, 1))
    assert first == again != other


def test_dropout_that_fused_attention_cannot_have_is_told(make_tower, caplog, monkeypatch):
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    with caplog.at_level("WARNING"):
        make_tower("timm", lora=LORA | {"dropout": 0.2})
        assert "lora.dropout" not in caplog.text
        tower = make_tower("openclip_image", lora=LORA | {"dropout": 0.2}).train()
    assert "lora.dropout acts on linear layers alone" in caplog.text
    inputs = inputs_of(with_trained_adapters(tower))
    assert not torch.equal(tower(inputs), tower(inputs))


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"rank": 0}, "lora.rank"),
        ({"rank": 2, "alpha": 0}, "lora.alpha"),
        ({"rank": 2, "dropout": 1.0}, "lora.dropout"),
        ({"rank": 2, "targets": "attn"}, "lora.targets is 'auto' or a list"),
        ({"rank": 2, "targets": ["atn"]}, "no layer's name ends in 'atn'; did you mean 'attn'"),
        ({"rank": 2, "targets": ["out_proj"]}, "no layer's name ends in 'out_proj'"),
        ({"rnk": 2}, "did you mean 'rank'"),
        ({"alpha": 2}, "needs a rank"),
    ],
)
def test_bad_options_are_told_in_one_line(make_tower, lora, message):
    with pytest.raises(ClipbioError, match=message) as caught:
        make_tower("openclip_image", lora=lora)
    assert "\n" not in str(caught.value)


def test_a_frozen_trunk_takes_no_adapters(make_tower):
    with pytest.raises(ClipbioError, match="lora has no effect on a frozen trunk"):
        make_tower("timm", lora=LORA, unlocked=0)


def test_a_trunk_of_convolutions_needs_targets():
    with pytest.raises(ClipbioError, match=r"give lora\.targets"):
        TimmImage(name="test_efficientnet", image_size=32, lora=LORA).build(dim=8)


def test_without_peft_the_install_command_is_told(make_tower, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ClipbioError, match=r"pip install 'clipbio\[lora\]'"):
        make_tower("timm", lora=LORA)


def test_adapters_are_counted(make_tower):
    tower = make_tower("timm", lora=LORA)
    (count,) = MultiTower({"image": tower}).summary()
    adapters = sum(tensor.numel() for name, tensor in tower.state_dict().items() if "lora_" in name)
    assert count.trainable == adapters + 64 * 8
