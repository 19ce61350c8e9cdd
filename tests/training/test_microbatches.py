"""Towers in pieces: the gradients of the whole batch."""

import json
import logging

import pytest
import torch

from clipbio.losses import infonce_head, sigmoid_head
from clipbio.models import openclip
from clipbio.models.projections import Standardise
from clipbio.training.microbatches import encode, warn_of_batch_statistics

SIZE = 7
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 3}
VISION = {
    "vit": {"image_size": 32, "patch_size": 16, "width": 64, "head_width": 32, "layers": 3},
    "resnet": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
}


@pytest.fixture
def build(tmp_path):
    def make(name="vit", **options):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"embed_dim": 24, "vision_cfg": VISION[name], "text_cfg": TEXT}))
        return openclip(str(path), **options).train()

    return make


def inputs(pixels=32):
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randint(0, 256, (SIZE, 3, pixels, pixels), generator=generator, dtype=torch.uint8),
        "text": torch.randint(1, 40000, (SIZE, 12), generator=generator),
    }


def labels():
    return {
        "taxon_BR": torch.tensor([[1, 5], [1, 5], [1, 6], [2, 7], [2, 7], [2, 8], [3, 9]]),
        "bin_B": torch.full((SIZE,), -1),
        "text_B": torch.arange(SIZE),
    }


def gradients(model, head, size):
    model.zero_grad()
    present = dict.fromkeys(("image", "text"), torch.ones(SIZE, dtype=torch.bool))
    loss = head(encode(model, inputs(), size=size), present, labels()).loss
    loss.backward()
    return {"loss": loss.detach()} | {
        name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None
    }


@pytest.mark.parametrize("head", [infonce_head, sigmoid_head])
@pytest.mark.parametrize("size", [1, 2, 3, SIZE])
@pytest.mark.parametrize("unlocked", ["all", 0])
def test_pieces_give_the_gradients_of_the_whole_batch(build, head, size, unlocked):
    model = build(image={"unlocked": unlocked})
    whole, pieces = gradients(model, head(), None), gradients(model, head(), size)
    assert whole.keys() == pieces.keys()
    for name, value in whole.items():
        assert (pieces[name] - value).abs().max() <= 1e-5 * value.abs().max().clamp(min=1e-3), name


@pytest.mark.parametrize("norm", ["layer", "standard"])
def test_a_projection_sees_the_whole_batch_at_once(build, norm):
    """Statistics that a norm takes in, and which elements drop out, do not depend on the pieces."""
    options = {"projection": "mlp", "dropout": 0.5, "input_norm": norm}
    found = []
    for size in (None, 2, 3):
        model = build(image=options, text=options, dim=16)
        norms = {name: module for name, module in model.named_modules() if isinstance(module, Standardise)}
        assert bool(norms) == (norm == "standard")
        for step in range(2):
            torch.manual_seed(step)
            found.append(gradients(model, infonce_head(), size))
            for name, one in norms.items():
                found[-1][f"{name} met"] = one.met.clone()
                one.settle()
    for step in (0, 1):
        whole, *others = found[step::2]
        for other in others:
            assert whole.keys() == other.keys()
            for name, value in whole.items():
                assert (other[name] - value).abs().max() <= 1e-4 * value.abs().max().clamp(min=1e-3), name


def test_activations_of_one_piece_at_a_time_are_kept(build):
    model, kept = build(), []

    def note(tensor):
        kept.append(tensor.numel())
        return tensor

    counts = []
    for size in (None, 2):
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            encode(model, inputs(), size=size)
        counts.append(sum(kept))
    # In pieces inputs and features alone are saved.
    assert counts[1] < counts[0] / 12


def test_dropout_is_the_same_in_both_passes(build):
    """The loss falls along its gradient as the gradient says, only if both encodings draw the same."""
    model = build(text={"projection": "mlp", "dropout": 0.5}, image={"projection": "linear"}, dim=16)
    weight = model.tower("text").trunk.encoder.transformer.resblocks[0].mlp.c_fc.weight
    direction_BD = torch.randn(SIZE, 16, generator=torch.Generator().manual_seed(2))

    def value():
        torch.manual_seed(1)
        return (encode(model, {"text": inputs()["text"]}, size=3)["text"] * direction_BD).sum()

    (gradient,) = torch.autograd.grad(value(), weight)
    step = 1e-2 / gradient.norm()
    with torch.no_grad():
        weight += step * gradient
        higher = value()
        weight -= 2 * step * gradient
        lower = value()
    assert (higher - lower) / (2 * step) == pytest.approx(float(gradient.square().sum()), rel=0.02)


def test_a_tower_that_normalises_over_the_batch_is_named(build, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_batch_statistics(build())
        assert not caplog.records
        warn_of_batch_statistics(build("resnet"))
    assert "the image tower normalises over the batch" in caplog.text
