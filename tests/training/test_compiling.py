"""Compiling in place: the same keys and values; frozen trunks are left alone."""

import shutil

import pytest
import torch
from torch import nn

from clipbio.models import MultiTower, Tower, Trunk, build_projection
from clipbio.training.compiling import compile_options, compile_trunks

COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layers(inputs)


class PlainTrunk(Trunk):
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.encoder(tokens.float())


def model() -> MultiTower:
    torch.manual_seed(0)
    towers = {}
    for modality, unlocked in (("image", "all"), ("text", 0)):
        trunk = PlainTrunk(Encoder(), width=4, config={})
        towers[modality] = Tower(trunk, {"default": build_projection("linear", 4, dim=2)}, unlocked=unlocked)
    return MultiTower(towers)


@pytest.mark.parametrize(
    "setting", [{"backend": "eager"}, pytest.param({"mode": "default"}, marks=[pytest.mark.slow, COMPILER])]
)
def test_keys_stay_and_values_and_gradients_agree(setting: dict[str, str]) -> None:
    plain, compiled = model(), model()
    compile_trunks(compiled, setting)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    assert compiled.tower("image").trunk.encoder._compiled_call_impl is not None
    assert compiled.tower("text").trunk.encoder._compiled_call_impl is None
    tokens = torch.arange(12).view(3, 4)
    outputs = [one({"image": tokens, "text": tokens}) for one in (plain, compiled)]
    for modality in ("image", "text"):
        torch.testing.assert_close(outputs[0][modality], outputs[1][modality])
    for one in outputs:
        one["image"][:, 0].sum().backward()
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_false_compiles_nothing() -> None:
    assert compile_options(False) is None
    assert compile_options(True) == {}
    plain = model()
    compile_trunks(plain, False)
    assert plain.tower("image").trunk.encoder._compiled_call_impl is None
