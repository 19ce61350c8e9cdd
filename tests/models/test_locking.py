"""Locking by depth: exactly the unlocked groups move in training, statistics of locked layers included."""

import copy

import pytest
import torch
from small_models import KINDS, inputs_of


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unlocked", [1, 2])
def test_exactly_the_unlocked_groups_move(make_tower, kind, unlocked):
    tower = make_tower(kind, unlocked=unlocked)
    before = copy.deepcopy(tower.state_dict())
    last = {id(parameter) for group in tower.trunk.groups()[-unlocked:] for parameter in group}
    expected = {name for name, one in tower.named_parameters() if id(one) in last or name.startswith("projections.")}
    tower.train()
    optimizer = torch.optim.Adam([one for one in tower.parameters() if one.requires_grad], lr=0.1, eps=1e-30)
    (tower(inputs_of(tower)) * torch.randn(3, tower.dim())).sum().backward()
    optimizer.step()
    moved = {name for name, tensor in tower.state_dict().items() if not torch.equal(tensor, before[name])}
    parameters = dict(tower.named_parameters())
    # A weight without gradient, such as the bias of attention keys, which cancels out, may stay.
    assert moved & parameters.keys() <= expected
    assert expected - moved <= {name for name in expected if parameters[name].grad.abs().max() < 1e-7}
    for name in moved - parameters.keys():
        siblings = [f"{name.rpartition('.')[0]}.weight", f"{name.rpartition('.')[0]}.bias"]
        assert any(sibling in expected for sibling in siblings), name
