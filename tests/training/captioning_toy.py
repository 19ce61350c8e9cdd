"""A CoCa of toy towers over letters, and the step of a module on rows of which some lack image or text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from processes import in_group
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from clipbio.losses import captioning_head
from clipbio.models import MultiTower, Projection, Tokenizer, Tower
from clipbio.models.captioner import CaptionDecoder
from clipbio.models.trunks import ImageSpec, ImageTrunk, TextTrunk
from clipbio.training.captioning import CaptioningModule

ROWS, WIDTH, WORDS, FIRST, LAST = 6, 6, 9, 7, 8
PROCESSES = 2
# No row of the second process has both.
PRESENT = {
    "image": torch.tensor([1, 0, 1, 0, 1, 1], dtype=torch.bool),
    "text": torch.tensor([1, 1, 1, 1, 0, 0], dtype=torch.bool),
}
TOKENS = torch.tensor([[7, 1, 2, 3, 8], [7, 8, 0, 0, 0], [7, 0, 8, 0, 0], [7, 4, 4, 8, 0], [0] * 5, [0] * 5])


class Letters(nn.Module):
    """A mean of letters as feature, and a state of each that knows those before it."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.linear = nn.Embedding(256, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, letters_BN: Tensor) -> tuple[Tensor, Tensor]:
        states_BNW = self.linear(self.table(letters_BN.long()).cumsum(dim=1))
        return states_BNW.mean(dim=1), states_BNW


class Pixels(ImageTrunk):
    def states(self, pixels_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.encoder(pixels_BCHW.flatten(1))
        return found


class Text(TextTrunk):
    def states(self, tokens_BL: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.encoder(tokens_BL)
        return found


class Library:
    """What an open_clip tokenizer has."""

    sot_token_id, eot_token_id = FIRST, LAST

    def decode(self, tokens: list[int]) -> str:
        return " ".join(map(str, tokens))


class Multimodal(nn.Module):
    """In place of open_clip's decoder."""

    context_length = 5

    def __init__(self) -> None:
        super().__init__()
        self.text_projection = nn.Parameter(torch.randn(WIDTH, WORDS))
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, image_BNW: Tensor, text_BLW: Tensor) -> Tensor:
        return torch.tanh(self.linear(text_BLW + image_BNW.mean(dim=1, keepdim=True)))


def make_model(**unlocked: Any) -> MultiTower:
    torch.manual_seed(0)
    spec = ImageSpec((2, 2), (0.5,) * 3, (0.5,) * 3)
    tokenizer = Tokenizer(Library(), context_length=5, pad_id=0)
    trunks = (
        Pixels(Letters(), width=WIDTH, spec=spec, config={}),
        Text(Letters(), width=WIDTH, tokenizer=tokenizer, config={}),
    )
    towers = {
        trunk.modality: Tower(
            trunk,
            {"default": Projection(nn.Linear(WIDTH, 5), width=WIDTH, dim=5)},
            unlocked=unlocked.get(trunk.modality, "all"),
        )
        for trunk in trunks
    }
    return MultiTower(towers, decoder=CaptionDecoder(Multimodal(), initialise=False))


def batch(rows: slice = slice(None)) -> Any:
    number = torch.arange(ROWS)
    pixels = torch.randint(0, 256, (ROWS, 3, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return {
        "inputs": {"image": pixels[rows], "text": TOKENS[rows]},
        "present": {name: mask[rows] for name, mask in PRESENT.items()},
        **{"taxon_BR": number[rows, None], "bin_B": -1 - number[rows]},
        **{"text_B": number[rows], "group_B": number[rows]},
    }


def make_module(model: MultiTower) -> CaptioningModule:
    heads = nn.ModuleDict({"default": captioning_head(caption_weight=3.0)})
    parts: dict[str, Any] = {"recipe": None, "length": None, "validation": None, "config": {}}
    return CaptioningModule(model, heads, loss_weights={"default": 1.0}, **parts)


class Step(nn.Module):
    """What a training step computes."""

    def __init__(self) -> None:
        super().__init__()
        self.module = make_module(make_model())

    def forward(self, rows: slice) -> Tensor:
        loss: Tensor = self.module._judged(batch(rows), self.module.heads["default"], "default")[1].loss
        return loss


def results(rank: int = 0, world: int = 1) -> dict[str, Tensor]:
    share = ROWS // world
    step = Step()
    whole = DistributedDataParallel(step) if world > 1 else step
    loss = whole(slice(rank * share, (rank + 1) * share))
    loss.backward()
    value = loss.detach().clone()
    if world > 1:
        dist.all_reduce(value)
        value /= world
    return {"loss": value} | {name: p.grad.clone() for name, p in step.named_parameters() if p.grad is not None}


def share(rank: int, folder: Path) -> None:
    torch.save(in_group(rank, PROCESSES, folder / "meet", lambda: results(rank, PROCESSES)), folder / f"{rank}.pt")
