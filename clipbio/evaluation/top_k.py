"""The best classes of each image out of many, tile by tile: the matrix of N images x C classes never exists.

The answers are those of the whole matrix sorted once: higher scores first, the lower class number first among equal
ones, and what is not a number first of all, as in `torch.sort`, so that a broken score shows.

Shape suffixes: N images, C classes, D dimensions, K best classes; n and c are those of one tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.metrics import SCORE_TOLERANCE

__all__ = ["Prototypes", "TopK", "class_tiles", "first_best", "target_vectors", "top_k"]

Prototypes = Tensor | NDArray[Any] | Iterable[Tensor | NDArray[Any]]
"""Class vectors (C, D) of any float type: a tensor, an array (also memory-mapped), or chunks of them in class order."""

_CLASSES_AT_ONCE = 8192
# 64 MiB of float32 for the scores of a tile.
_SCORES_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class TopK:
    """The best classes of each image, all on the CPU.

    `top_NK` holds class numbers and `top_score_NK` float32 scores, K = min(k, C). `rank_N` (0 is best) counts the
    other classes that do not score below the target by more than `SCORE_TOLERANCE`; a target of -1 has rank C and the
    score NaN. `log_sum_exp_N` is that of `scale` x scores over all classes, in float64: the probability of an answer is
    exp(scale x score - log_sum_exp).
    """

    num_classes: int
    top_NK: Tensor
    top_score_NK: Tensor
    rank_N: Tensor | None = None
    target_score_N: Tensor | None = None
    log_sum_exp_N: Tensor | None = None


def top_k(
    images_ND: Tensor, prototypes: Prototypes, k: int, *, target_N: Tensor | None = None, scale: float | None = None
) -> TopK:
    """Return the k best classes of each image, on the device of the images.

    The class vectors are read once, by tiles of 8192 at most; chunks that are given stay as they are where smaller.
    Beside the inputs that takes some 200 MB, whatever N and C.

    Args:
        images_ND: Unit vectors of the images.
        prototypes: Unit vectors of the classes. With targets, chunks are read twice: give a list, not a generator.
        k: How many classes per image; fewer come where there are fewer.
        target_N: The right class of each image, -1 for none, to find its rank.
        scale: Inverse temperature at which `log_sum_exp_N` is wanted.

    Raises:
        ClipbioError: k is below 1, there are no classes, vectors of another size, or a generator with targets.
    """
    if k < 1:
        raise ClipbioError(f"top_k: k={k} asks for no class; give 1 or more")
    images_ND = images_ND.float()
    running = _Running(images_ND, k, scale)
    if target_N is not None:
        running.target_N, running.target_score_N = target_N, _target_scores(images_ND, prototypes, target_N)
    for first, tile_cD in class_tiles(prototypes, images_ND):
        running.add(first, tile_cD)
    if not running.num_classes:
        raise ClipbioError("top_k: there are no classes; give at least one class vector")
    return running.result()


def class_tiles(prototypes: Prototypes, images_ND: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield the number of the first class and the float32 vectors of each tile, on the device of the images."""
    first, size = 0, images_ND.shape[1]
    for chunk in [prototypes] if isinstance(prototypes, Tensor | np.ndarray) else prototypes:
        if chunk.ndim != 2 or chunk.shape[1] != size:
            raise ClipbioError(
                f"top_k: class vectors of shape {tuple(chunk.shape)} do not match images of {size} numbers"
            )
        for start in range(0, len(chunk), _CLASSES_AT_ONCE):
            tile_cD = _float_tensor(chunk[start : start + _CLASSES_AT_ONCE]).to(images_ND.device)
            yield first, tile_cD
            first += len(tile_cD)


def _float_tensor(rows: Tensor | NDArray[Any]) -> Tensor:
    # A copy: memory-mapped arrays are read-only, which torch does not know.
    return rows.float() if isinstance(rows, Tensor) else torch.from_numpy(np.array(rows, dtype=np.float32))


def target_vectors(prototypes: Prototypes, target_N: Tensor) -> Tensor:
    """Return the float32 class vector of each target (N, D) on the CPU.

    Raises:
        ClipbioError: The chunks can be read only once, or there is no such class.
    """
    target_N = target_N.cpu()
    if isinstance(prototypes, Tensor | np.ndarray):
        _check_range(target_N, len(prototypes))
        rows = target_N.to(prototypes.device) if isinstance(prototypes, Tensor) else target_N.numpy()
        return _float_tensor(prototypes[rows]).cpu()
    if iter(prototypes) is prototypes:
        raise ClipbioError(
            "top_k: ranks of targets need the class vectors twice; give a list of chunks, not a generator"
        )
    found: Tensor | None = None
    first = 0
    for chunk in prototypes:
        found = torch.zeros(len(target_N), chunk.shape[1]) if found is None else found
        inside_N = (target_N >= first) & (target_N < first + len(chunk))
        found[inside_N] = target_vectors(chunk, target_N[inside_N] - first)
        first += len(chunk)
    _check_range(target_N, first)
    return torch.zeros(len(target_N), 0) if found is None else found


def _check_range(target_N: Tensor, num_classes: int) -> None:
    if len(target_N) and not 0 <= int(target_N.min()) <= int(target_N.max()) < num_classes:
        raise ClipbioError(f"top_k: targets are {int(target_N.min())} to {int(target_N.max())}, classes {num_classes}")


def _target_scores(images_ND: Tensor, prototypes: Prototypes, target_N: Tensor) -> Tensor:
    """Return the score of each image with its target, NaN where it has none."""
    known_N = target_N.cpu() >= 0
    score_N = torch.full((len(images_ND),), torch.nan, device=images_ND.device)
    if known_N.any():
        vectors_nD = target_vectors(prototypes, target_N.cpu()[known_N]).to(images_ND.device)
        rows = known_N.to(images_ND.device)
        score_N[rows] = (images_ND[rows] * vectors_nD).sum(dim=1)
    return score_N


class _Running:
    """What is known after some of the tiles."""

    def __init__(self, images_ND: Tensor, k: int, scale: float | None) -> None:
        size, device = len(images_ND), images_ND.device
        self.images_ND, self.k, self.scale = images_ND, k, scale
        self.target_N: Tensor | None = None
        self.target_score_N: Tensor | None = None
        self.num_classes = 0
        self.top_NK = torch.zeros(size, 0, dtype=torch.long, device=device)
        self.top_score_NK = torch.zeros(size, 0, device=device)
        self.below_N = torch.zeros(size, dtype=torch.long, device=device)
        self.max_N = torch.full((size,), -torch.inf, dtype=torch.float64, device=device)
        self.sum_N = torch.zeros(size, dtype=torch.float64, device=device)
        self._kept: dict[str, Tensor] = {}

    def add(self, first: int, tile_cD: Tensor) -> None:
        """Take in a tile of classes, by blocks of images."""
        rows = max(1, _SCORES_AT_ONCE // max(1, len(tile_cD)))
        wide = min(self.k, self.num_classes + len(tile_cD))
        top_NK, top_score_NK = self.top_NK, self.top_score_NK
        if wide > top_NK.shape[1]:
            top_NK = top_NK.new_zeros(len(top_NK), wide)
            top_score_NK = top_score_NK.new_zeros(len(top_NK), wide)
        for start in range(0, len(self.images_ND), rows):
            block = slice(start, start + rows)
            images_nD = self.images_ND[block]
            scores_nc = torch.mm(images_nD, tile_cD.T, out=self._memory("scores", len(images_nD), len(tile_cD)))
            best_n = scores_nc.amax(dim=1)
            if self.target_score_N is not None:
                limit_n1 = self.target_score_N[block, None] - SCORE_TOLERANCE
                # Sums of float32 are several times faster than those of bool, and exact up to 2^24.
                below_nc = torch.lt(scores_nc, limit_n1, out=self._memory("below", *scores_nc.shape))
                self.below_N[block] += below_nc.sum(dim=1).long()
            top_NK[block], top_score_NK[block] = self._merged(block, first, scores_nc, best_n)
            if self.scale is not None:
                self._add_exponentials(block, scores_nc, best_n, self.scale)
        self.top_NK, self.top_score_NK = top_NK, top_score_NK
        self.num_classes += len(tile_cD)

    def _memory(self, name: str, rows: int, columns: int) -> Tensor:
        """Return a matrix without content in memory that is kept: a fresh one each time costs a tenth of a product."""
        if name not in self._kept or self._kept[name].numel() < rows * columns:
            self._kept[name] = torch.empty(rows * columns, device=self.images_ND.device)
        return self._kept[name][: rows * columns].view(rows, columns)

    def _merged(self, block: slice, first: int, scores_nc: Tensor, best_n: Tensor) -> tuple[Tensor, Tensor]:
        """Return the best classes of a block of images, now that this tile is known too."""
        top_nK, top_score_nK = self.top_NK[block], self.top_score_NK[block]
        if top_nK.shape[1] < self.k:
            return _join(top_nK, top_score_nK, *_numbered(first, *first_best(scores_nc, self.k)), self.k)
        # A score equal to the last one held does not enter: its class number is higher.
        last_n = top_score_nK[:, -1]
        rows = ((best_n > last_n) | (best_n.isnan() & ~last_n.isnan())).nonzero()[:, 0]
        if len(rows):
            found = _numbered(first, *first_best(scores_nc.index_select(0, rows), self.k))
            top_nK[rows], top_score_nK[rows] = _join(top_nK[rows], top_score_nK[rows], *found, self.k)
        return top_nK, top_score_nK

    def _add_exponentials(self, block: slice, scores_nc: Tensor, best_n: Tensor, scale: float) -> None:
        old_n = self.max_N[block]
        new_n = torch.maximum(old_n, scale * best_n.double())
        # In place: the scores of the tile are not needed after this.
        total_n = scores_nc.sub_(best_n[:, None]).mul_(scale).exp_().sum(dim=1).double()
        self.sum_N[block] = self.sum_N[block] * (old_n - new_n).exp() + total_n * (scale * best_n - new_n).exp()
        self.max_N[block] = new_n

    def result(self) -> TopK:
        """Return what was found."""
        rank_N = None
        if self.target_N is not None:
            rank_N = torch.where(self.target_N.cpu() < 0, self.num_classes, self.num_classes - 1 - self.below_N.cpu())
        log_sum_exp_N = None if self.scale is None else (self.max_N + self.sum_N.log()).cpu()
        target_score_N = None if self.target_score_N is None else self.target_score_N.cpu()
        return TopK(self.num_classes, self.top_NK.cpu(), self.top_score_NK.cpu(), rank_N, target_score_N, log_sum_exp_N)


def first_best(scores_nc: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k highest scores of each row and their columns, the lower column first among equal scores."""
    wide = min(k, scores_nc.shape[1])
    score_nk, place_nk = scores_nc.topk(min(wide + 1, scores_nc.shape[1]), dim=1)
    # topk breaks ties in no order. Where one crosses the end of the list, only a whole stable sort is right.
    same_n = torch.zeros(len(score_nk), dtype=torch.bool, device=scores_nc.device)
    if score_nk.shape[1] > wide:
        last_n, next_n = score_nk[:, wide - 1], score_nk[:, wide]
        same_n = (last_n == next_n) | (last_n.isnan() & next_n.isnan())
    score_nk, place_nk = _by_number(score_nk[:, :wide], place_nk[:, :wide])
    if same_n.any():
        sorted_score, order = scores_nc[same_n].sort(dim=1, descending=True, stable=True)
        score_nk[same_n], place_nk[same_n] = sorted_score[:, :wide], order[:, :wide]
    return score_nk, place_nk


def _numbered(first: int, score_nk: Tensor, place_nk: Tensor) -> tuple[Tensor, Tensor]:
    return place_nk + first, score_nk


def _by_number(score_nk: Tensor, place_nk: Tensor) -> tuple[Tensor, Tensor]:
    place_nk, order = place_nk.sort(dim=1)
    score_nk, order = score_nk.gather(1, order).sort(dim=1, descending=True, stable=True)
    return score_nk, place_nk.gather(1, order)


def _join(
    left_nk: Tensor, left_score_nk: Tensor, right_nk: Tensor, right_score_nk: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Return the k best of two lists; the classes of the left one have the lower numbers."""
    score_nk, order = torch.cat([left_score_nk, right_score_nk], dim=1).sort(dim=1, descending=True, stable=True)
    return torch.cat([left_nk, right_nk], dim=1).gather(1, order)[:, :k], score_nk[:, :k]
