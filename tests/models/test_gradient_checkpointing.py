"""Gradient checkpointing: equal gradients from fewer kept activations; towers that cannot do it say so."""

import pytest
import torch
from small_models import KINDS, inputs_of

from clipbio.errors import ClipbioError
from clipbio.models import TimmImage, TowerOptions, openclip


def gradients_and_kept(tower):
    """Return gradients by name and how many numbers autograd kept for the backward pass."""
    kept = 0

    def keep(tensor):
        nonlocal kept
        kept += tensor.numel()
        return tensor

    torch.manual_seed(0)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        vectors_BD = tower.train()(inputs_of(tower))
    (vectors_BD * torch.linspace(-1, 1, vectors_BD.numel()).view_as(vectors_BD)).sum().backward()
    found = {name: one.grad for name, one in tower.named_parameters() if one.grad is not None}
    return found, kept


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lora", [None, {"rank": 2}])
def test_gradients_are_equal_and_less_is_kept(make_tower, kind, lora):
    if lora:
        pytest.importorskip("peft", reason="the extra lora is not installed")
    plain, kept_plain = gradients_and_kept(make_tower(kind, lora=lora))
    saving, kept_saving = gradients_and_kept(make_tower(kind, lora=lora, gradient_checkpointing=True))
    assert kept_saving < kept_plain
    assert saving.keys() == plain.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(saving[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_towers_that_cannot_are_told(openclip_folder):
    options = TowerOptions(gradient_checkpointing=True)
    with pytest.raises(ClipbioError, match="ResNets of open_clip cannot do it"):
        openclip(str(openclip_folder("resnet")), image=options)
    with pytest.raises(ClipbioError, match=r"model\.image\.gradient_checkpointing: VGG cannot do it"):
        TimmImage(name="vgg11", image_size=32, gradient_checkpointing=True).build(dim=8)


def test_it_has_no_effect_on_a_frozen_trunk(make_tower):
    with pytest.raises(ClipbioError, match="gradient_checkpointing has no effect on a frozen trunk"):
        make_tower("timm", unlocked=0, gradient_checkpointing=True)
