import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clipbio.errors import ClipbioError
from clipbio.models import Tower, Trunk, build_projection
from clipbio.training.durations import Duration, RunLength
from clipbio.training.optimizer import AdamWRecipe, parameter_groups
from clipbio.training.schedule import SCHEDULES, multiplier

LENGTH = RunLength(batch_size=32, batches_per_epoch=10, total_steps=200)


@pytest.mark.parametrize(
    ("text", "steps"),
    [("7 steps", 7), ("1 step", 1), ("3 epochs", 30), ("0.25 epochs", 3), ("65 samples", 3), ("5 percent", 10),
     ("5%", 10), ("5 % ", 10), ("0 steps", 0)],
)  # fmt: skip
def test_durations_become_steps(text: str, steps: int) -> None:
    assert Duration.parse(text, "duration").steps(LENGTH) == steps


def test_percent_is_not_off_by_one_through_binary_fractions() -> None:
    for total in range(1, 400):
        for percent in (5, 10, 15, 35):
            exact = -(-percent * total // 100)
            assert Duration(percent, "percent").steps(RunLength(1, 1, total)) == exact


@pytest.mark.parametrize("text", ["", "10", "ten epochs", "-3 steps", "3 weeks", "3 steps later"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ClipbioError, match=r"warmup='.*' is no duration"):
        Duration.parse(text, "warmup")


def test_a_run_is_not_a_share_of_itself() -> None:
    with pytest.raises(ClipbioError, match="percent of itself"):
        Duration.parse("5%", "duration").steps(RunLength(32, 10))


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(0, 50), st.integers(1, 200), st.floats(0, 1))
def test_the_multiplier_stays_in_bounds(schedule: str, warmup: int, total: int, floor: float) -> None:
    values = [multiplier(step, schedule=schedule, warmup=warmup, total=total, floor=floor) for step in range(total + 5)]
    assert all(0 <= value <= 1 + 1e-12 for value in values)
    rising = values[: min(warmup, total)]
    assert rising == sorted(rising)


def test_known_points_of_the_schedules() -> None:
    arguments = {"warmup": 4, "total": 24}
    assert multiplier(0, schedule="cosine", **arguments) == 0.25
    assert multiplier(3, schedule="cosine", **arguments) == 1.0
    assert multiplier(14, schedule="cosine", **arguments) == pytest.approx(0.5)
    assert multiplier(24, schedule="cosine", **arguments) == pytest.approx(0.0)
    assert multiplier(9, schedule="linear", **arguments) == pytest.approx(0.75)
    assert multiplier(23, schedule="constant", **arguments) == 1.0
    assert multiplier(24, schedule="cosine", floor=0.1, **arguments) == pytest.approx(0.1)


@pytest.mark.parametrize("total", [10, 97, 400])
def test_one_cycle_is_that_of_pytorch(total: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=total, pct_start=0.3)
    for step in range(total):
        ours = multiplier(step, schedule="one_cycle", warmup=round(0.3 * total), total=total)
        # A warm-up is a whole number of steps here.
        assert ours == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9 if total != 97 else 0.05, abs=1e-9)
        optimizer.step()
        if step < total - 1:
            scheduler.step()
    with pytest.raises(ClipbioError, match=r"optim\.floor=0\.1"):
        AdamWRecipe(lr=1.0, schedule="one_cycle", floor=0.1)


def test_a_warm_up_longer_than_the_run_is_refused() -> None:
    with pytest.raises(ClipbioError, match=r"optim\.warmup='300 steps' is 300 steps, longer than the run of 200"):
        AdamWRecipe(lr=1.0, warmup="300 steps").warmup_steps(LENGTH)


def test_norms_biases_and_the_temperature_are_not_decayed() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2, bias=False))
    head = torch.nn.ParameterDict({"logit_scale": torch.nn.Parameter(torch.ones(1))})
    module[2].weight.requires_grad_(False)
    groups = parameter_groups([("image", module, 0.1), ("head", head, 0.2)], weight_decay=0.5)
    found = {group["name"]: (group["lr"], group["weight_decay"], len(group["params"])) for group in groups}
    assert found == {"image": (0.1, 0.5, 1), "image/no_decay": (0.1, 0.0, 3), "head/no_decay": (0.2, 0.0, 1)}


def test_each_part_follows_the_schedule_at_its_own_rate() -> None:
    recipe = AdamWRecipe(lr=0.01, warmup="10 steps", schedule="linear")
    parts = [("image", torch.nn.Linear(2, 2), 0.001), ("text", torch.nn.Linear(2, 2), None)]
    optimizer, scheduler = recipe.build(parts, RunLength(32, 10, 110))
    for _ in range(60):
        optimizer.step()
        scheduler.step()
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates["image"] == pytest.approx(0.0005)
    assert rates["text"] == pytest.approx(0.005)


def tower(unlocked: int | str = "all", projection: bool = True) -> Tower:
    """Three groups of one linear layer with bias each, and a projection."""
    trunk = Trunk(torch.nn.Module(), width=4, config={})
    trunk.encoder.blocks = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))
    trunk.modality = "image"
    trunk.groups = lambda: [list(block.parameters()) for block in trunk.encoder.blocks]
    head = build_projection("linear", 4, dim=2)
    return Tower(trunk, {"default": head}, unlocked=unlocked, train_projection=projection)


def test_layer_decay_lowers_the_rate_from_output_to_input() -> None:
    groups = parameter_groups([("image", tower(), 0.1)], weight_decay=0.5, layer_decay=0.5)
    found = {group["name"]: (group["lr"], group["weight_decay"]) for group in groups}
    assert found == {
        "image/depth_00": (0.1, 0.5),
        "image/depth_01": (0.05, 0.5),
        "image/depth_01/no_decay": (0.05, 0.0),
        "image/depth_02": (0.025, 0.5),
        "image/depth_02/no_decay": (0.025, 0.0),
        "image/depth_03": (0.0125, 0.5),
        "image/depth_03/no_decay": (0.0125, 0.0),
    }
    rates = {id(one): group["lr"] for group in groups for one in group["params"]}
    blocks = tower().trunk.encoder.blocks
    assert len(rates) == 2 * len(blocks) + 1


def test_layer_decay_leaves_frozen_groups_and_other_parts_alone() -> None:
    head = torch.nn.Linear(2, 2, bias=False)
    image = tower(unlocked=1)
    groups = parameter_groups([("image", image, 0.1), ("head", head, 0.1)], weight_decay=0.0, layer_decay=0.5)
    assert [group["name"] for group in groups] == [
        "image/depth_00", "image/depth_01", "image/depth_01/no_decay", "head",
    ]  # fmt: skip
    assert groups[1]["params"] == [image.trunk.encoder.blocks[2].weight]
    frozen = parameter_groups([("image", tower(unlocked=0), 0.1)], weight_decay=0.0, layer_decay=0.5)
    assert [group["name"] for group in frozen] == ["image/depth_00"]


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_shared_parameters_stand_in_one_group(layer_decay: float) -> None:
    first, second = tower(), tower()
    first.trunk.encoder.blocks[0].weight = first.trunk.encoder.blocks[2].weight
    second.trunk.encoder.blocks[1].weight = first.trunk.encoder.blocks[2].weight
    parts = [("image", first, 0.1), ("text", second, 0.1)]
    groups = parameter_groups(parts, weight_decay=0.0, layer_decay=layer_decay)
    taken = [id(one) for group in groups for one in group["params"]]
    assert len(taken) == len(set(taken)) == 12
    AdamWRecipe(lr=0.1, layer_decay=layer_decay).build(parts, LENGTH)


def test_bad_layer_decay_and_trunks_without_layers_are_told() -> None:
    with pytest.raises(ClipbioError, match=r"optim\.layer_decay=1\.5"):
        AdamWRecipe(lr=0.1, layer_decay=1.5)
    trunk = Trunk(torch.nn.Linear(4, 4), width=4, config={})
    plain = Tower(trunk, {"default": build_projection("linear", 4, dim=2)})
    with pytest.raises(ClipbioError, match="no order of layers; set it to 1"):
        AdamWRecipe(lr=0.1, layer_decay=0.5).build([("image", plain, None)], LENGTH)


def test_nothing_to_train_is_told() -> None:
    frozen = torch.nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ClipbioError, match="nothing is trained"):
        AdamWRecipe(lr=0.1).build([("image", frozen, None)], LENGTH)
    assert math.isfinite(LENGTH.total_steps or 0)


def test_the_fused_step_on_a_cpu_is_that_of_plain_adamw() -> None:
    parts = [torch.nn.Linear(5, 4) for _ in range(2)]
    parts[1].load_state_dict(parts[0].state_dict())
    ours, _ = AdamWRecipe(lr=0.1, schedule="constant").build([("part", parts[0], None)], LENGTH)
    groups = parameter_groups([("part", parts[1], 0.1)], weight_decay=0.2)
    plain = torch.optim.AdamW(groups, lr=0.1, betas=(0.9, 0.98), eps=1e-6, fused=False)
    assert ours.defaults["fused"] is True
    for optimizer, part in ((ours, parts[0]), (plain, parts[1])):
        for seed in range(3):
            part.weight.grad = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))
            part.bias.grad = torch.ones(4)
            optimizer.step()
    torch.testing.assert_close(parts[0].weight, parts[1].weight, rtol=1e-5, atol=1e-7)


def test_gradients_of_a_fused_step_are_clipped_in_any_precision() -> None:
    from pytorch_lightning.plugins.precision import MixedPrecision

    part = torch.nn.Linear(2, 2)
    optimizer, _ = AdamWRecipe(lr=0.1).build([("part", part, None)], LENGTH)
    part.weight.grad = torch.full((2, 2), 10.0)
    MixedPrecision("bf16-mixed", "cpu").clip_gradients(optimizer, 1.0)
    assert float(part.weight.grad.norm()) == pytest.approx(1.0, rel=1e-4)
