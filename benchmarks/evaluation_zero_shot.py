"""Zero-shot among half a million taxa: `python benchmarks/evaluation.py evaluation/zero_shot_500k_taxa`.

Ours streams over the class vectors, a memory-mapped float32 file; the peer is one matrix product with `torch.topk` over
all scores (4 GB), on the same vectors in memory. Both give the five best classes of each image; `with_ranks` adds the
rank of the target. The sides run in turn in one process; another process per side measures the peak of its memory
(VmHWM), inputs, libraries and all. `cpu` holds the CPU seconds of the fastest run: steadier where others work.

Shape suffixes: N images, C classes, D dimensions.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sides import alone, line

__all__ = ["zero_shot"]

NAME = "evaluation/zero_shot_500k_taxa"
CLASSES, IMAGES, DIM, K = 500_000, 2_000, 768, 5
SEED, RUNS = 0, 3
_PART = 50_000

Side = Callable[[Tensor, Any, Tensor, bool], tuple[Tensor, ...]]


def zero_shot(scale: float) -> str:
    """Return the line of the case."""
    classes = round(CLASSES * scale)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "taxa.npy"
        write_taxa(path, classes)
        peaks = [alone(peak_gib, side, str(path)) for side in ("ours", "peer")]
        measured = alone(compare, path)
    peer_name = f"torch {torch.__version__}: whole product and topk"
    return line(NAME, peer_name=peer_name, unit="s", less_is_better=True, classes=classes, peak_gib=peaks, **measured)


def write_taxa(path: Path, classes: int) -> None:
    """Write made-up unit vectors (C, D), some at a time."""
    generator = np.random.default_rng(SEED)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(classes, DIM))
    for start in range(0, classes, _PART):
        part = generator.standard_normal((min(_PART, classes - start), DIM), dtype=np.float32)
        file[start : start + _PART] = part / np.linalg.norm(part, axis=1, keepdims=True)
    file.flush()


def made_images(prototypes: Any) -> tuple[Tensor, Tensor]:
    """Return unit vectors that lean to their class, a cosine of about 0.17, and these classes."""
    generator = torch.Generator().manual_seed(SEED)
    target_N = torch.randint(0, len(prototypes), (IMAGES,), generator=generator)
    own_ND = torch.from_numpy(np.array(prototypes[target_N.numpy()]))
    noise_ND = torch.nn.functional.normalize(torch.randn(IMAGES, DIM, generator=generator), dim=1)
    return torch.nn.functional.normalize(0.17 * own_ND + noise_ND, dim=1), target_N


def ours(images_ND: Tensor, prototypes: Any, target_N: Tensor, ranks: bool) -> tuple[Tensor, ...]:
    """Stream."""
    from clipbio.evaluation.top_k import top_k

    found = top_k(images_ND, prototypes, K, target_N=target_N if ranks else None)
    return (found.top_NK, *([found.rank_N] if found.rank_N is not None else []))


def peer(images_ND: Tensor, prototypes: Any, target_N: Tensor, ranks: bool) -> tuple[Tensor, ...]:
    """Make the whole matrix of scores."""
    from clipbio.evaluation.metrics import SCORE_TOLERANCE, target_ranks

    scores_NC = images_ND @ prototypes.T
    top_NK = scores_NC.topk(K, dim=1).indices
    return (top_NK, *([target_ranks(scores_NC, target_N, tolerance=SCORE_TOLERANCE)] if ranks else []))


def peak_gib(side: str, path: str) -> float:
    """Return the peak of the memory of this process, once a side has run."""
    prototypes: Any = np.load(path, mmap_mode="r" if side == "ours" else None)
    images_ND, target_N = made_images(prototypes)
    if side == "ours":
        ours(images_ND, prototypes, target_N, ranks=True)
    else:
        peer(images_ND, torch.from_numpy(prototypes), target_N, ranks=False)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def compare(path: Path) -> dict[str, Any]:
    """Return median seconds of both sides, without and with ranks, and whether the answers are the same."""
    mapped = np.load(path, mmap_mode="r")
    prototypes_CD = torch.from_numpy(np.load(path))
    images_ND, target_N = made_images(mapped)
    sides: dict[str, tuple[Side, Any]] = {"ours": (ours, mapped), "peer": (peer, prototypes_CD)}
    seconds: dict[tuple[str, bool], list[float]] = {}
    cpu: dict[str, float] = {}
    answers: dict[str, tuple[Tensor, ...]] = {}
    for number in range(RUNS + 1):
        for ranks in (False, True):
            for name, (side, given) in sides.items():
                start, began = time.perf_counter(), time.process_time()
                answers[name] = side(images_ND, given, target_N, ranks)
                if not ranks:
                    cpu[name] = min(cpu.get(name, np.inf), time.process_time() - began)
                # The first round warms up caches and threads.
                if number:
                    seconds.setdefault((name, ranks), []).append(time.perf_counter() - start)
    medians = {key: statistics.median(found) for key, found in seconds.items()}
    return {
        "ours": medians["ours", False],
        "peer": medians["peer", False],
        "with_ranks": [medians["ours", True], medians["peer", True]],
        "cpu": [cpu["ours"], cpu["peer"]],
        "fastest": [min(seconds["ours", False]), min(seconds["peer", False])],
        "same_top5": float((answers["ours"][0] == answers["peer"][0]).float().mean()),
        "same_ranks": float((answers["ours"][1] == answers["peer"][1]).float().mean()),
        # Whole product and tiles round differently: a score at the very limit of the tolerance may fall on either side.
        "largest_rank_difference": int((answers["ours"][1] - answers["peer"][1]).abs().max()),
        "top1": float((answers["ours"][1] == 0).float().mean()),
    }
