import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from clipbio.models import openclip
from clipbio.training.costs import TrunkCost, trunk_cost
from clipbio.training.estimates import EncodedTower, estimate_memory, estimate_step
from clipbio.training.rates import device_memory, device_rate

COST = TrunkCost(forward=100.0, backward=200.0, activations=1000, inputs=10)


def memory(module: nn.Module, *towers: EncodedTower, **settings: object) -> dict[str, float]:
    values = {"precision": "32-true", "processes": 1, "strategy": "auto", "device": "cpu"} | settings
    return estimate_memory([module], towers, **values).parts  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return openclip("clipbio:clipbio_tiny")


@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_trunk_costs_what_its_matrices_say_and_stays_as_it_is(model, modality: str) -> None:  # type: ignore[no-untyped-def]
    trunk = model.tower(modality).trunk.train()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    random = torch.get_rng_state()
    cost = trunk_cost(trunk)
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    assert all(one.grad is None for one in trunk.parameters())
    # Each weight of a block takes part in one multiplication and one addition per token; attention adds to that.
    blocks = [one for one in trunk.modules() if isinstance(one, nn.ModuleList | nn.Sequential) and len(one) > 1]
    largest = max(sum(p.numel() for p in stack.parameters() if p.ndim == 2) for stack in blocks)
    tokens = trunk.context_length if modality == "text" else None
    if tokens is not None:
        assert 2 * tokens * largest <= cost.forward < 4 * tokens * largest
    assert 1.8 * cost.forward < cost.backward < 2.2 * cost.forward
    assert cost.activations > cost.inputs > 0


def test_a_frozen_trunk_keeps_nothing_and_an_unlocked_block_little(model) -> None:  # type: ignore[no-untyped-def]
    tower = openclip("clipbio:clipbio_tiny").tower("image")
    whole = trunk_cost(tower.trunk)
    tower.unlock(1)
    part = trunk_cost(tower.trunk)
    tower.unlock(0)
    frozen = trunk_cost(tower.trunk)
    assert frozen.forward == part.forward == whole.forward
    assert (frozen.backward, frozen.activations) == (0, 0)
    assert 0 < part.backward < whole.backward
    assert 0 < part.activations < whole.activations


def test_counted_activations_are_those_that_a_forward_pass_keeps() -> None:

    tower = openclip("RN50").tower("image")
    cost = trunk_cost(tower.trunk)
    kept: dict[int, int] = {}
    own = {one.data_ptr() for one in (*tower.trunk.parameters(), *tower.trunk.buffers())}

    def keep(value: torch.Tensor) -> torch.Tensor:
        if value.data_ptr() not in own:
            kept[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        features = tower.trunk(torch.zeros(2, 3, 224, 224, dtype=torch.uint8))
    assert features.requires_grad
    assert 2 * cost.activations == pytest.approx(sum(kept.values()), rel=0.1)


@given(st.integers(1, 64), st.integers(1, 64), st.booleans())
def test_a_piece_is_computed_twice_but_kept_alone(rows: int, piece: int, trained: bool) -> None:
    tower = EncodedTower(COST._replace(backward=200.0 * trained, activations=1000 * trained), rows, piece, trained)
    again = 100 if trained and piece < rows else 0
    assert tower.flops == rows * (100 + again + 200 * trained)
    assert memory(nn.Linear(1, 1), tower)["activations"] == 1000 * trained * min(rows, piece)
    assert memory(nn.Linear(1, 1), tower)["inputs"] == 10 * rows


def test_weights_gradients_and_moments_by_strategy_and_precision() -> None:
    module = nn.Sequential(nn.Linear(10, 10, bias=False), nn.Linear(10, 10, bias=False))
    module[0].requires_grad_(False)
    alone = memory(module)
    assert (alone["weights"], alone["gradients"], alone["moments of AdamW"]) == (800, 400, 800)
    assert memory(module, strategy="ddp", processes=2)["buckets of DDP"] == 400
    sharded = memory(module, strategy="fsdp", processes=4)
    assert (sharded["weights"], sharded["gradients"], sharded["moments of AdamW"]) == (200, 100, 200)
    assert sharded["gathered units"] == 800
    mixed = memory(module, EncodedTower(COST, 8, 8, True), precision="bf16-mixed")
    assert mixed["weights in 16 bits"] == 400
    assert mixed["activations"] == pytest.approx(0.6 * 8000)


def test_a_step_takes_between_full_and_poor_use_of_the_device() -> None:
    step = estimate_step([EncodedTower(COST, 10, 10, True)] * 2, rate=1000.0, utilisation=(0.1, 0.5))
    assert (step.low, step.high) == (12.0, 60.0)


def test_this_cpu_and_unknown_devices() -> None:
    rate = device_rate(torch.device("cpu"), "32-true")
    assert rate is not None
    assert 1e8 < rate < 1e14
    assert device_rate(torch.device("meta"), "32-true") is None
    assert device_memory(torch.device("cpu")) > 2**28


@pytest.mark.parametrize(
    ("name", "precision", "rate"),
    [("NVIDIA H200", "bf16-mixed", 989e12), ("NVIDIA A100-SXM4-80GB", "32-true", 19.5e12),
     ("NVIDIA H100 PCIe", "bf16-mixed", 756e12), ("NVIDIA L40S", "bf16-mixed", 362e12),
     ("NVIDIA L4", "bf16-mixed", 121e12), ("Abacus 1", "32-true", None)],
)  # fmt: skip
def test_known_gpus(monkeypatch: pytest.MonkeyPatch, name: str, precision: str, rate: float | None) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert device_rate(torch.device("cuda"), precision) == rate
