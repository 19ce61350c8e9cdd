"""A CoCa of a few weights, as an architecture, and what it reads."""

import json
from pathlib import Path

import torch
from small_models import TEXT, VIT

from clipbio.models import MultiTower, openclip

CONTEXT = 24
ARCHITECTURE = {
    "embed_dim": 32,
    "vision_cfg": VIT | {
        "attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 5, "layers": 1, "output_tokens": True,
    },
    "text_cfg": TEXT | {"layers": 1, "context_length": CONTEXT, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {"context_length": CONTEXT, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    "custom_text": True,
}  # fmt: skip


def write_coca(folder: Path, **changes: object) -> Path:
    """Write the architecture as a file that `model.name` takes."""
    path = folder / "small_coca.json"
    path.write_text(json.dumps(ARCHITECTURE | changes))
    return path


def make_coca(folder: Path, **settings: object) -> MultiTower:
    return openclip(str(write_coca(folder)), **settings)


def pixels(count: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
