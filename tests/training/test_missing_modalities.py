"""Towers over rows of which some lack a modality: nothing runs on what is not there, and processes change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from processes import in_group, spawn
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from clipbio.losses import infonce_head, sigmoid_head
from clipbio.models import MultiTower, Projection, Tower, Trunk
from clipbio.training.microbatches import encode

SIZE = 12
PAIRS = {"image-text": 1.0, "image-dna": 0.5, "dna-text": 2.0}
HEADS = {"infonce": infonce_head, "sigmoid": sigmoid_head}
PROCESSES = 2
# On the second process no row has DNA at all, on the first one image is missing alone.
PRESENT = {
    "image": torch.tensor([1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0], dtype=torch.bool),
    "text": torch.tensor([1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1], dtype=torch.bool),
    "dna": torch.tensor([1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0], dtype=torch.bool),
}


class Letters(Trunk):
    """A trunk for any modality: the mean of its letters. Letter 0 is poison."""

    def __init__(self, modality: str) -> None:
        encoder = nn.Sequential(nn.EmbeddingBag(9, 6), nn.Dropout(0.0), nn.Linear(6, 6))
        super().__init__(encoder, width=6, config={})
        self.modality = modality
        self.rows: list[int] = []

    def forward(self, letters_BL: Tensor) -> Tensor:
        self.rows.append(len(letters_BL))
        features_BF: Tensor = self.encoder(letters_BL)
        return features_BF


def model_of(**unlocked: int) -> MultiTower:
    torch.manual_seed(0)
    return MultiTower(
        {
            name: Tower(
                Letters(name),
                {"default": Projection(nn.Linear(6, 5), width=6, dim=5)},
                unlocked=unlocked.get(name, "all"),  # type: ignore[arg-type]
            )
            for name in PAIRS_OF
        }
    )


PAIRS_OF = ("image", "text", "dna")


def inputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randint(1, 9, (SIZE, 4), generator=generator) for name in PAIRS_OF}


def labels() -> dict[str, Tensor]:
    return {
        "taxon_BR": torch.tensor([[1, 5], [1, 5], [1, 6], [2, 7], [2, 7], [2, 8], [3, 9], [3, -1], [1, 5], [2, 7], [4, 4], [4, 3]]),
        "bin_B": torch.full((SIZE,), -1),
        "text_B": torch.arange(SIZE),
        "group_B": torch.arange(SIZE),
    }  # fmt: skip


class Step(nn.Module):
    """What a training step computes."""

    def __init__(self, head: str, size: int | None) -> None:
        super().__init__()
        self.model = model_of(text=0)
        self.head = HEADS[head](pairs=PAIRS)
        self.size = size

    def forward(self, rows: slice) -> Tensor:
        present = {name: mask[rows] for name, mask in PRESENT.items()}
        vectors = encode(self.model, {name: one[rows] for name, one in inputs().items()}, present, size=self.size)
        loss: Tensor = self.head(vectors, present, {name: one[rows] for name, one in labels().items()}).loss
        return loss


def results(head: str, size: int | None, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
    share = SIZE // world
    step = Step(head, size)
    whole = DistributedDataParallel(step) if world > 1 else step
    loss = whole(slice(rank * share, (rank + 1) * share))
    loss.backward()
    value = loss.detach().clone()
    if world > 1:
        dist.all_reduce(value)
        value /= world
    return {"loss": value} | {name: p.grad.clone() for name, p in step.named_parameters() if p.grad is not None}


CASES = [(head, size) for head in HEADS for size in (None, 2)]


def share(rank: int, folder: Path) -> None:
    def found() -> dict[str, dict[str, Tensor]]:
        return {f"{head} {size}": results(head, size, rank, PROCESSES) for head, size in CASES}

    torch.save(in_group(rank, PROCESSES, folder / "meet", found), folder / f"{rank}.pt")


def test_two_processes_with_unevenly_missing_modalities_compute_what_one_does(tmp_path: Path) -> None:
    spawn(share, tmp_path, processes=PROCESSES)
    for rank in range(PROCESSES):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for head, size in CASES:
            alone, ours = results(head, None), found[f"{head} {size}"]
            assert alone.keys() == ours.keys()
            # The projection of the frozen tower is trained, its trunk is not.
            assert {name.split(".")[3] for name in ours if ".text." in name} == {"projections"}
            errors = {
                name: float((ours[name] - value).abs().max() / value.abs().max()) for name, value in alone.items()
            }
            assert max(errors.values()) <= 1e-5, errors


@pytest.mark.parametrize("size", [None, 5])
@pytest.mark.parametrize("unlocked", [{}, {"dna": 0}])
def test_a_tower_runs_on_what_is_there_alone(size: int | None, unlocked: dict[str, int]) -> None:
    model = model_of(**unlocked)
    given = inputs()
    vectors = encode(model, given, PRESENT, size=size)
    for name, mask in PRESENT.items():
        trunk = model.tower(name).trunk
        assert isinstance(trunk, Letters)
        # A piece without any takes its first row, whose vector goes nowhere.
        assert sum(trunk.rows) == int(mask.sum()) + (size is not None and name == "dna") * 2
        torch.testing.assert_close(vectors[name][mask], model({name: given[name][mask]})[name])
        assert not vectors[name][~mask].any()


def test_the_gradient_of_what_is_not_there_is_zero_and_there() -> None:
    model = model_of()
    nothing = {name: torch.zeros(SIZE, dtype=torch.bool) for name in PAIRS_OF}
    sum(one.sum() for one in encode(model, inputs(), nothing).values()).backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())
