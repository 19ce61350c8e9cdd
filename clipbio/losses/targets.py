"""Who is a positive of whom.

Many specimens share one species and one name. Treating them as each other's negatives, as plain CLIP does, teaches the
model to tell apart what is the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["TARGETS", "positive_labels"]

TARGETS = ("instance", "text", "taxon")


def positive_labels(batch: Mapping[str, Tensor], targets: str, *, offset: int = 0) -> Tensor:
    """Return one int64 label per row (b,); rows with equal labels are positives of each other.

    Args:
        batch: Holds `text_B` (hash of the rendered text) and `taxon_BR` (a key per rank, -1 where unknown).
        targets: `instance`: each row is its own class. `text`: rows with the same rendered text. `taxon`: rows whose
            deepest known taxon is the same; rows without any taxon go by their text.
        offset: Number of rows on the processes before this one, so that instances differ everywhere.
    """
    text_B = batch["text_B"]
    if targets == "instance":
        return torch.arange(offset, offset + len(text_B), device=text_B.device)
    if targets == "text":
        return text_B
    taxon_BR = batch["taxon_BR"]
    label_B = text_B
    for rank in range(taxon_BR.shape[1]):
        label_B = torch.where(taxon_BR[:, rank] >= 0, taxon_BR[:, rank], label_B)
    return label_B
