"""The losses written out over full matrices, pair by pair: slow, and easy to read."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from clipbio.losses import ContrastiveHead, InfoNCE, Sigmoid

Batch = dict[str, Tensor]


def random_labels(size: int, seed: int) -> Batch:
    """Labels of a small tree in which some rows are known to genus, family or not at all, and some share a BIN."""
    generator = torch.Generator().manual_seed(seed)
    species = torch.randint(0, 8, (size,), generator=generator)
    lineage = torch.stack([species // 4, 10 + species // 2, 20 + species], dim=1)
    depth = torch.randint(0, 6, (size,), generator=generator).clamp(max=3)
    taxon = torch.where(torch.arange(3) < depth[:, None], lineage, -1)
    return {
        "taxon_BR": taxon,
        "bin_B": torch.randint(-6, 3, (size,), generator=generator).clamp(min=-1),
        "text_B": 100 + torch.randint(0, max(2, size // 2), (size,), generator=generator),
        "group_B": torch.arange(size),
    }


def random_presence(size: int, seed: int, modalities: tuple[str, ...]) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(size, generator=generator) < 0.7 for name in modalities}


def random_vectors(size: int, seed: int, modalities: tuple[str, ...], dim: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return {name: functional.normalize(torch.randn(size, dim, generator=generator), dim=1) for name in modalities}


def related(labels: Batch, targets: str, decay: float, *, text: bool = True) -> tuple[Tensor, Tensor]:
    """Return the weight of each pair as positives, and whether it counts; `text` is one of the two modalities."""
    size = len(labels["text_B"])
    weight, counts = torch.zeros(size, size, dtype=torch.float64), torch.ones(size, size, dtype=torch.bool)
    for i in range(size):
        for j in range(size):
            weight[i, j], counts[i, j] = _pair(labels, i, j, targets, decay, text)
    return weight, counts


def _pair(labels: Batch, i: int, j: int, targets: str, decay: float, text: bool) -> tuple[float, bool]:
    same_text = labels["text_B"][i] == labels["text_B"][j]
    bins = [int(labels["bin_B"][k]) for k in (i, j)]
    same_bin = bins[0] == bins[1] >= 0
    first, second = labels["taxon_BR"][i].tolist(), labels["taxon_BR"][j].tolist()
    if targets == "instance":
        return float(i == j), True
    if targets == "text":
        return float(same_text), True
    if targets == "taxon":
        deepest = [next((key for key in reversed(taxon) if key >= 0), None) for taxon in (first, second)]
        named = [
            ("text", int(labels["text_B"][k])) if d is None else ("taxon", d)
            for k, d in zip((i, j), deepest, strict=True)
        ]
        return float(named[0] == named[1] or same_bin), True
    if i == j:
        return 1.0, True
    if max(first) < 0 or max(second) < 0:
        return float(same_text or same_bin), True
    shared = [rank for rank, (a, b) in enumerate(zip(first, second, strict=True)) if a == b >= 0]
    conflict = any(a != b for a, b in zip(first, second, strict=True) if a >= 0 and b >= 0)
    last = len(first) - 1
    if same_bin and not conflict:
        return 1.0, True
    told_apart = min(bins) >= 0 and not text
    certain = conflict or told_apart or (shared and shared[-1] == last)
    return (decay ** (last - shared[-1]) if shared else 0.0) if certain else 0.0, bool(certain)


def dense_head(head: ContrastiveHead, embeddings: Batch, present: Batch, labels: Batch) -> Tensor:
    """Return the loss of a head over one whole batch."""
    scale = head.logit_scale.exp()
    total = torch.zeros(())
    for (first, second), pair_weight in head.pairs.items():
        logits = scale * embeddings[first] @ embeddings[second].T
        both = present[first][:, None] & present[second][None, :]
        loss = head.loss
        assert isinstance(loss, InfoNCE | Sigmoid)
        weight, counts = related(labels, loss.targets, loss.rank_decay, text="text" in (first, second))
        if isinstance(loss, Sigmoid):
            value = _sigmoid(logits + head.logit_bias, weight, counts & both, present[first], present[second])
        else:
            value = (
                _one_way(logits, weight * both, counts & both, loss.label_smoothing)
                + _one_way(logits.T, (weight * both).T, (counts & both).T, loss.label_smoothing)
            ) / 2
        total = total + pair_weight * value
    return total


def _one_way(logits: Tensor, weight: Tensor, counts: Tensor, smoothing: float) -> Tensor:
    losses = []
    for row in range(len(logits)):
        if weight[row].sum() > 0:
            log_probability = functional.log_softmax(logits[row][counts[row]], dim=0)
            target = weight[row][counts[row]] / weight[row].sum()
            target = (1 - smoothing) * target + smoothing / len(target)
            losses.append(-(target * log_probability).sum())
    return torch.stack(losses).mean() if losses else logits.sum() * 0


def _sigmoid(logits: Tensor, weight: Tensor, counts: Tensor, first: Tensor, second: Tensor) -> Tensor:
    value = -(weight * functional.logsigmoid(logits) + (1 - weight) * functional.logsigmoid(-logits))
    return value[counts].sum() / max((int(first.sum()) + int(second.sum())) / 2, 1)
