"""A linear probe at NABirds' size: the benchmark `linear_probe` beside CLIP_benchmark's protocol.

CLIP_benchmark (https://github.com/LAION-AI/CLIP_benchmark): one linear layer on normalised features, AdamW at 0.1 under
a cosine, 10 epochs, batches of 64; with a validation split the weight decay is searched in 15 fits (seven first, then
both neighbours at spans of 8, 4, 2 and 1), and a last fit follows. Each fit costs the same; one is measured.

Shape suffixes: N examples, Q queries, B batch, C classes, D dimensions.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor, nn

from clipbio.evaluation.linear_probe import LinearProbe

from evaluation_virtual import NABIRDS, Size, split
from sides import alone, line, resident, start_peak

__all__ = ["probe"]

NAME = "evaluation/probe_nabirds"
EPOCHS, BATCH, RATE, FITS = 10, 64, 0.1, 16


def probe(scale: float) -> str:
    """Measure both sides, each in its own process."""
    seconds, cpu, memory, top1, strength = alone(_ours, scale)
    peer_fit, peer_cpu, peer_memory, peer_top1 = alone(_peer, scale)
    return line(
        NAME,
        ours=seconds,
        peer=peer_fit * FITS,
        peer_name="CLIP_benchmark's protocol: AdamW, 10 epochs, weight decay searched on validation",
        unit="s",
        less_is_better=True,
        peer_measured=f"1 of {FITS} fits",
        cpu_seconds=[cpu, peer_cpu * FITS],
        memory_mib=[memory, peer_memory],
        top1=[top1, peer_top1],
        strength=strength,
        threads=torch.get_num_threads(),
    )


def _sizes(scale: float) -> tuple[Size, Size]:
    examples = NABIRDS.scaled(scale)
    return examples, Size(10 * examples.classes, examples.classes, examples.dim)


def _ours(scale: float) -> tuple[float, float, float, float, float]:
    """Return seconds, those of all cores, MiB above the start, top-1 and the chosen strength."""
    import sklearn.linear_model  # noqa: F401 - loaded before the clock runs

    examples, asked = _sizes(scale)
    data = {"train": split("train", examples, seed=1), "test": split("test", asked, seed=2)}
    before = start_peak()
    began, cpu_began = time.perf_counter(), time.process_time()
    metrics = LinearProbe().run_across(data, ["test"], torch.tensor).metrics
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    variant = "linear_probe/test/all"
    return seconds, cpu, (resident() - before) / 2**20, metrics[f"{variant}/top1"], metrics[f"{variant}/C"]


def _peer(scale: float) -> tuple[float, float, float, float]:
    """Return seconds of one fit without weight decay, those of all cores, MiB above the start, and its top-1."""
    examples, asked = _sizes(scale)
    train, test = split("train", examples, seed=1).images, split("test", asked, seed=2).images
    _fitted(train.vectors_ND[:BATCH], train.class_N[:BATCH], examples.classes)
    before = start_peak()
    began, cpu_began = time.perf_counter(), time.process_time()
    layer = _fitted(train.vectors_ND, train.class_N, examples.classes)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    with torch.no_grad():
        right_Q = layer(test.vectors_ND).argmax(dim=1) == test.class_N
    return seconds, cpu, (resident() - before) / 2**20, float(np.mean(right_Q.numpy()))


def _fitted(vectors_ND: Tensor, class_N: Tensor, classes: int) -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(vectors_ND.shape[1], classes)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=RATE, weight_decay=0.0)
    steps = EPOCHS * math.ceil(len(vectors_ND) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(EPOCHS):
        for rows_B in torch.split(torch.randperm(len(vectors_ND)), BATCH):
            optimiser.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(layer(vectors_ND[rows_B]), class_N[rows_B]))
            optimiser.step()
            schedule.step()
    return layer
