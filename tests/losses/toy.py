"""Three linear towers and a head, trained by one or several processes on the same global batch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from dense import random_labels, random_presence, random_vectors
from processes import in_group
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from clipbio.losses import TARGETS, infonce_head, open_clip_head, sigmoid_head, tiles

MODALITIES = ("image", "text", "dna")
PAIRS = {"image-text": 1.0, "image-dna": 0.5, "dna-text": 2.0}
SIZE = 16
WORLDS = (2, 4)
# Several tiles on each process.
TILE_ELEMENTS = 48

CASES = {
    **{f"infonce {targets}": (infonce_head, {"targets": targets, "pairs": PAIRS}) for targets in TARGETS},
    **{f"sigmoid {targets}": (sigmoid_head, {"targets": targets, "pairs": PAIRS, "bias": -2.0}) for targets in TARGETS},
    "infonce taxon smoothed": (infonce_head, {"targets": "taxon", "pairs": PAIRS, "label_smoothing": 0.3}),
    "infonce taxon and BIN smoothed": (infonce_head, {"targets": "taxon", "pairs": PAIRS, "label_smoothing": 0.3}),
    "open_clip": (open_clip_head, {"pairs": PAIRS}),
}


class Toy(nn.Module):
    """Towers and head; the forward pass is the loss."""

    def __init__(self, case: str) -> None:
        super().__init__()
        build, options = CASES[case]
        torch.manual_seed(0)
        self.towers = nn.ModuleDict({name: nn.Linear(6, 5) for name in MODALITIES})
        self.head = build(**options)

    def forward(self, inputs: dict[str, Tensor], present: dict[str, Tensor], labels: dict[str, Tensor]) -> Tensor:
        vectors = {name: functional.normalize(tower(inputs[name]), dim=1) for name, tower in self.towers.items()}
        loss: Tensor = self.head(vectors, present, labels).loss
        return loss


def global_batch(case: str) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Return inputs, presence and labels; modalities are spread unevenly, a quarter of the rows has no DNA at all."""
    present = random_presence(SIZE, 1, MODALITIES)
    present["dna"][: SIZE // 4] = False
    if case == "open_clip":
        present = {name: torch.ones(SIZE, dtype=torch.bool) for name in MODALITIES}
    labels = random_labels(SIZE, 3)
    if case in ("infonce taxon", "infonce taxon smoothed"):
        # Without BINs taxa are classes, the fast form; the other cases relate pairs.
        labels["bin_B"].fill_(-1)
    return random_vectors(SIZE, 2, MODALITIES), present, labels


def results(case: str, rank: int, world: int) -> dict[str, Tensor]:
    """Return the loss of the global batch and every parameter's gradient as training sees them."""
    share = SIZE // world
    parts = [
        {name: value[rank * share : (rank + 1) * share] for name, value in part.items()} for part in global_batch(case)
    ]
    toy = Toy(case)
    # Held until the backward pass is over: its hooks average the gradients.
    model = DistributedDataParallel(toy) if world > 1 else toy
    loss = model(*parts)
    loss.backward()
    value = loss.detach().clone()
    if world > 1:
        dist.all_reduce(value)
        value /= world
    return {"loss": value} | {name: p.grad.clone() for name, p in toy.named_parameters() if p.grad is not None}


def run_process(rank: int, folder: Path) -> None:
    """Run every case with the first two of four processes, then with all; the first one leaves the results in files."""
    tiles.TILE_ELEMENTS = TILE_ELEMENTS
    for world in WORLDS:
        if rank < world:
            found = in_group(rank, world, folder / f"meet-{world}", partial(all_results, rank, world))
            if rank == 0:
                torch.save(found, folder / f"results-{world}.pt")


def all_results(rank: int, world: int) -> dict[str, dict[str, Tensor]]:
    """Return the results of every case; two processes are enough for what open_clip costs to import."""
    return {case: results(case, rank, world) for case in CASES if case != "open_clip" or world == 2}
