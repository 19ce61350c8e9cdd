"""Token states of a linear layer, judged by one or two processes on the same global batch."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
from processes import in_group
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from clipbio.losses import MaskedTokens

ROWS, PLACES, WIDTH, FIRST, SIZE = 8, 12, 6, 2, 18


class Toy(nn.Module):
    """States and head; the forward pass is the loss."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.states = nn.Linear(WIDTH, WIDTH)
        self.head = MaskedTokens(contrast=0.5, column_prior=True)
        self.head.read_tokens(width=WIDTH, dim=WIDTH, first=FIRST, counts_LV=torch.randint(9, (PLACES, SIZE)))
        nn.init.normal_(self.head.decoder.last.weight)  # type: ignore[arg-type,union-attr]

    def forward(self, inputs: Tensor, tokens: Tensor, chosen: Tensor) -> Tensor:
        states = self.states(inputs)
        loss, _ = self.head.token_loss(states, functional.normalize(states.mean(1), dim=1), tokens, chosen)
        views = [functional.normalize(part.mean(1), dim=1) for part in states.chunk(2, dim=1)]
        return loss + self.head.contrast * self.head.contrast_loss(views[0], views[1], tokens[:, 0])


def results(rank: int, world: int) -> dict[str, Tensor]:
    """Return the loss averaged over processes, and the gradients."""
    draw = torch.Generator().manual_seed(3)
    inputs = torch.randn(ROWS, PLACES, WIDTH, generator=draw)
    tokens = torch.randint(FIRST, SIZE, (ROWS, PLACES), generator=draw)
    # The second half of the rows has far fewer hidden tokens than the first.
    chosen = torch.rand(ROWS, PLACES, generator=draw) < torch.tensor([0.8, 0.1]).repeat_interleave(ROWS // 2)[:, None]
    chosen[:, 0] = True
    own = slice(rank * ROWS // world, (rank + 1) * ROWS // world)
    toy = Toy()
    model = DistributedDataParallel(toy) if world > 1 else toy
    loss = model(inputs[own], tokens[own], chosen[own])
    loss.backward()
    value = loss.detach().clone()
    if world > 1:
        dist.all_reduce(value)
    return {"loss": value / world} | {name: one.grad for name, one in toy.named_parameters() if one.grad is not None}


def share(rank: int, folder: Path) -> None:
    """Join one of two processes, compute, and let the first one write."""
    found = in_group(rank, 2, folder / "meet", lambda: results(rank, 2))
    if rank == 0:
        torch.save(found, folder / "results.pt")
