"""Made-up features at the size of a published data set, with classes that resemble each other as species do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from clipbio.evaluation.embeddings import SplitData
from clipbio.taxonomy import Taxon

__all__ = ["NABIRDS", "Size", "split"]


@dataclass(frozen=True)
class Size:
    """Specimens, classes and dimensions."""

    specimens: int
    classes: int
    dim: int

    def scaled(self, scale: float) -> Size:
        """Return a smaller size of the same form."""
        return Size(max(60, round(self.specimens * scale)), max(4, round(self.classes * scale)), self.dim)


NABIRDS = Size(48_562, 555, 768)
"""Pictures and classes of NABirds, and the width of ViT-B and ViT-L."""


@dataclass(frozen=True)
class _Named:
    taxon: Taxon
    common_names: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    label: str = ""


def split(name: str, size: Size, *, seed: int) -> SplitData:
    """Return unit vectors around the classes of families of a common world, as many of each class as of the others.

    Directions differ in variance by orders of magnitude, and all vectors share a mean, as those of real towers do.

    Args:
        name: Of the split; its ids begin with it.
        size: Number of vectors, classes and dimensions.
        seed: Of the vectors; the classes are the same for each seed.
    """
    world, own = np.random.default_rng(0), np.random.default_rng(seed)
    family_FD = world.normal(size=(max(2, size.classes // 10), size.dim))
    centre_CD = family_FD[np.arange(size.classes) % len(family_FD)] + 0.7 * world.normal(size=(size.classes, size.dim))
    spread_D = 0.1 + 3 * np.linspace(1, 0, size.dim) ** 2
    class_N = np.sort(np.arange(size.specimens) % size.classes)
    noise_ND = own.standard_normal((size.specimens, size.dim), dtype=np.float32)
    vectors_ND = ((centre_CD[class_N] + 3.0 * noise_ND) * spread_D + 1).astype(np.float32)
    named = [_Named(Taxon(genus="Genus", species=f"species{number:04d}")) for number in range(size.classes)]
    return SplitData.build(
        name,
        [f"{name}-{row}" for row in range(size.specimens)],
        vectors_ND=torch.nn.functional.normalize(torch.from_numpy(vectors_ND), dim=1),
        named=[named[number] for number in class_N.tolist()],
    )
