from types import SimpleNamespace

import torch
from torch.utils.checkpoint import checkpoint

from clipbio.models.projections import build_projection
from clipbio.training.norms import ProjectionNorms


def test_lengths_are_heard_once_also_from_chunks_that_are_computed_again() -> None:
    names = ("default", "replay")
    projections = {name: build_projection("linear", 3, dim=3, identity_start=True) for name in names}
    model = SimpleNamespace(modalities=("image",), tower=lambda name: SimpleNamespace(projections=projections))
    norms = ProjectionNorms()
    norms.attach(model)
    rows = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0], [2.0, 0.0, 0.0]], requires_grad=True)
    out = torch.cat([checkpoint(projections["default"], chunk, use_reentrant=False) for chunk in rows.split(2)])
    norms.detach()
    out.sum().backward()
    projections["default"](rows)
    sums = norms.sums(torch.device("cpu"))
    assert {key: value.tolist() for key, value in sums.items()} == {"image": [8.0, 3.0], "replay/image": [0.0, 0.0]}
    norms.attach(model)
    norms.detach()
    assert norms.sums(torch.device("cpu"))["image"].tolist() == [0.0, 0.0]
