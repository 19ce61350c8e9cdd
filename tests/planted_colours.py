"""A model whose trunk sees the mean colour of 8 x 8 pixels and whose texts are names of colours."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from clipbio.models import ImageSpec, ImageTrunk, MultiTower, TextTrunk, Tower, build_projection

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1)}
WORDS = {"flower": "red", "leaf": "green", "fruit": "blue"}


class Cells(nn.Module):
    """The least that looks like a convolutional network of timm: a map, and a head that averages it."""

    feature_info = ()

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 8, 8, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[:, :, None, None].expand(3, 3, 8, 8) / 64)

    def forward_features(self, pixels):
        return self.conv(pixels)

    def forward_head(self, features):
        return features.mean(dim=(2, 3))

    def forward(self, pixels):
        return self.forward_head(self.forward_features(pixels))


class ColourWords:
    """Tokens are places of colours in `COLOURS`; a text without one is white."""

    pad_id, context_length, identity = 0, 1, "colours"

    def __call__(self, texts):
        return torch.tensor([[self.place(text)] for text in texts])

    @staticmethod
    def place(text):
        found = [place for place, colour in enumerate(COLOURS) if colour in text]
        named = [
            list(COLOURS).index(colour) for word, colour in WORDS.items() if word in text or f"{word[:-1]}ve" in text
        ]
        return (found or named or [len(COLOURS) - 1])[0]


class ColourText(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding.from_pretrained(torch.tensor(list(COLOURS.values()), dtype=torch.float32))

    def forward(self, tokens):
        return self.table(tokens[:, 0])


def colour_model(size=32, **spec):
    spec = ImageSpec(size=(size, size), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation="bilinear", **spec)
    image = ImageTrunk(Cells(), width=3, spec=spec, config={})
    text = TextTrunk(ColourText(), width=3, tokenizer=ColourWords(), config={})
    towers = {
        trunk.modality: Tower(trunk, {"default": build_projection("identity", 3, dim=3)}) for trunk in (image, text)
    }
    return MultiTower(towers).eval()


def sheet(width=64, height=64, **squares):
    """A white picture with 16-pixel squares: colour=(left, top)."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    for colour, (left, top) in squares.items():
        pixels[top : top + 16, left : left + 16] = 255 * np.array(COLOURS[colour])
    return Image.fromarray(pixels)
