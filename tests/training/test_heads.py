"""Heads per projection: shared temperatures, refused combinations, and the sum of losses that is descended."""

from typing import Any

import pytest
import torch
from torch import nn

from clipbio.data.streams import Stream, read_streams
from clipbio.errors import ClipbioError
from clipbio.losses import infonce_head
from clipbio.models import MultiTower, Tower, TowerOptions, build_projection
from clipbio.text import TextRegime
from clipbio.training.durations import RunLength
from clipbio.training.heads import build_heads, check_modalities, check_projections, loss_weights
from clipbio.training.module import ContrastiveModule
from clipbio.training.optimizer import AdamWRecipe, parameter_groups

NAMES = TextRegime({"common": 1})


class Numbers(nn.Module):
    """A trunk whose input is its output."""

    def __init__(self, modality: str) -> None:
        super().__init__()
        self.modality, self.width = modality, 6
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.double().float() * self.scale


def streams(**others: dict[str, Any]) -> dict[str, Stream]:
    return read_streams({"main": Stream(NAMES), **others})


def model_with(*projections: str) -> MultiTower:
    torch.manual_seed(0)
    image = TowerOptions(projection="linear", projections=projections).tower(Numbers("image"), dim=4)
    return MultiTower(
        {"image": image, "text": Tower(Numbers("text"), {"default": build_projection("linear", 6, dim=4)})}
    )


def part(names: list[str], seed: int) -> dict[str, Any]:
    size, draw = len(names), torch.Generator().manual_seed(seed)
    ones = torch.ones(size, dtype=torch.bool)
    return {
        "ids": [f"{seed}-{row}" for row in range(size)], "stream": names, "step": 0, "skipped": [], "text_types": ["common"] * size,
        "inputs": {name: torch.randint(0, 9, (size, 6), generator=draw) for name in ("image", "text")},
        "present": {"image": ones, "text": ones},
        "taxon_BR": torch.arange(size)[:, None], "bin_B": -torch.ones(size), "text_B": torch.arange(size), "group_B": torch.arange(size),
    }  # fmt: skip


def module_of(given: dict[str, Stream], model: MultiTower) -> ContrastiveModule:
    module = ContrastiveModule(
        model, build_heads(infonce_head, given), loss_weights=loss_weights(given), recipe=AdamWRecipe(lr=0.1),
        length=RunLength(8, 2, 4), validation=None, config={"seed": 0, "micro_batch_size": None},
    )  # fmt: skip
    module.logged = {}
    module.log = lambda name, value, **_: module.logged.update({name: value})
    module.log_dict = lambda values, **_: module.logged.update(values)
    return module


def test_a_temperature_is_shared_unless_a_projection_has_its_own() -> None:
    heads = build_heads(
        infonce_head,
        streams(replay={"projection": "replay"}, captions={"projection": "captions", "own_temperature": True}),
    )
    assert list(heads) == ["default", "replay", "captions"]
    assert heads["replay"].logit_scale is heads["default"].logit_scale
    assert heads["captions"].logit_scale is not heads["default"].logit_scale
    groups = parameter_groups([("head", heads, 1e-3)], weight_decay=0.1)
    assert [len(group["params"]) for group in groups] == [2]
    copy = build_heads(infonce_head, streams(replay={"projection": "replay"}, captions={"projection": "captions"}))
    copy.load_state_dict(heads.state_dict())


def test_the_loss_is_the_weighted_sum_over_projections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ContrastiveModule, "logs_now", True)
    given = streams(replay={"projection": "replay", "loss_weight": 0.25})
    module = module_of(given, model_with("replay"))
    batch = {"default": part(["main"] * 5, 1), "replay": part(["replay"] * 3, 2)}
    output = module.training_step(batch, 0)
    alone = {name: module.training_step({name: one}, 0)["loss"] for name, one in batch.items()}
    assert output["loss"].item() == pytest.approx(alone["default"].item() + alone["replay"].item(), rel=1e-6)
    assert module.logged["train/loss/replay"].item() == pytest.approx(4 * alone["replay"].item(), rel=1e-6)
    assert {"train/loss", "train/loss/default", "train/logit_scale", "train/logit_scale/replay"} <= set(module.logged)
    assert {name: list(one) for name, one in output["embeddings"].items()} == {
        name: ["image", "text"] for name in batch
    }
    assert not output["embeddings"]["replay"]["image"].requires_grad
    output["loss"].backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_the_gradient_of_a_projection_comes_from_its_own_streams_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ContrastiveModule, "logs_now", False)
    module = module_of(streams(replay={"projection": "replay"}), model_with("replay"))
    module.training_step({"default": part(["main"] * 5, 1)}, 0)["loss"].backward()
    projections = module.model.tower("image").projections
    assert projections["default"].body.weight.grad.abs().sum() > 0
    assert projections["replay"].body.weight.grad is None


def test_projections_streams_and_towers_must_agree() -> None:
    replay = streams(replay={"projection": "replay"})
    check_projections(model_with("replay"), replay)
    with pytest.raises(
        ClipbioError, match=r"replay\.projection=replay: no tower has it; add model\.image\.projections=\[replay\]"
    ):
        check_projections(model_with(), replay)
    with pytest.raises(ClipbioError, match=r"no stream trains the projection 'replay' \(remove replay from"):
        check_projections(model_with("replay"), streams())
    with pytest.raises(ClipbioError, match=r"no stream trains the projection 'default' \(evaluation uses it\)"):
        check_projections(model_with("replay"), {"main": Stream(NAMES, projection="replay")})


def test_a_pair_that_no_tower_encodes_is_refused_and_told_how_to_take_out() -> None:
    heads = build_heads(lambda: infonce_head(pairs={"image-text": 1.0, "image-dna": 1.0}), streams())
    with pytest.raises(ClipbioError, match=r"needs 'dna', but the model encodes image, text: .*'~loss\.pairs\.A-B'"):
        check_modalities(model_with(), heads)
