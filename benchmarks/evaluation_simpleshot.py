"""SimpleShot at NABirds' size: the whole benchmark `few_shot` beside the published broadcast of differences.

Shape suffixes: Q queries, C classes, K shots, D dimensions.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray

from clipbio.evaluation.few_shot import FewShot
from clipbio.evaluation.few_shot_draws import published_draws
from clipbio.evaluation.simple_shot import simple_shot

from evaluation_virtual import NABIRDS, split
from sides import alone, line, resident, start_peak

__all__ = ["simpleshot"]

NAME = "evaluation/simpleshot_nabirds"
SHOTS, FOLDS = (1, 5), 5
QUERIES_AT_ONCE = 1024
IntArray = NDArray[np.int64]


def simpleshot(scale: float) -> str:
    """Measure both sides, each in its own process."""
    seconds, cpu, memory, whole, accuracy, own_form, answers = alone(_ours, scale)
    peer_draw, peer_cpu, peer_memory, peer_answers = alone(_peer, scale)
    draws = len(SHOTS) * FOLDS
    return line(
        NAME,
        ours=seconds,
        peer=peer_draw * draws,
        peer_name=f"the published broadcast, {QUERIES_AT_ONCE} queries at once",
        unit="s",
        less_is_better=True,
        peer_measured=f"1 of {draws} draws",
        cpu_seconds=[cpu, peer_cpu * draws],
        memory_mib=[memory, peer_memory],
        process_mib=whole,
        own_form_seconds=own_form,
        accuracy=accuracy,
        equal_answers=float(np.mean(answers == peer_answers)),
        threads=torch.get_num_threads(),
    )


def _ours(scale: float) -> tuple[float, float, float, float, list[float], float, IntArray]:
    """Return seconds, those of all cores, MiB above the start, in all, accuracies, our own form's seconds, answers."""
    data = {"test": split("test", NABIRDS.scaled(scale), seed=1)}
    seconds = []
    before = start_peak()
    for protocol in ("bioclip_v2", "clipbio"):
        began, cpu_began = time.perf_counter(), time.process_time()
        result = FewShot(shots=SHOTS, folds=FOLDS, protocol=protocol).run_across(data, ["test"], torch.tensor)
        seconds.append(time.perf_counter() - began)
        if protocol == "bioclip_v2":
            cpu = time.process_time() - cpu_began
            accuracies = [result.metrics[f"few_shot_bioclip_v2/test/{k}_shot/mean"] for k in SHOTS]
    peak = resident()
    vectors_ND, support_CK, query_Q = _draw(scale)
    answers_Q = simple_shot(vectors_ND[support_CK], vectors_ND[query_Q], renormalise=False).numpy()
    return seconds[0], cpu, (peak - before) / 2**20, peak / 2**20, accuracies, seconds[1], answers_Q


def _draw(scale: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the vectors, the rows of the examples of the first draw of five, and those of its queries."""
    images = split("test", NABIRDS.scaled(scale), seed=1).images
    support_CK = published_draws(images.class_N.numpy(), SHOTS[-1:], 1, in_place=False)[SHOTS[-1]][0]
    query_Q = np.setdiff1d(np.arange(len(images)), support_CK)
    return images.vectors_ND, torch.from_numpy(support_CK), torch.from_numpy(query_Q)


def _peer(scale: float) -> tuple[float, float, float, IntArray]:
    """Return seconds of one draw, those of all cores, MiB above the start, and the answers."""
    vectors_ND, support_CK, query_Q = _draw(scale)
    support_CKD, query_QD = vectors_ND[support_CK].numpy(), vectors_ND[query_Q].numpy()
    before = start_peak()
    began, cpu_began = time.perf_counter(), time.process_time()
    mean_D = support_CKD.mean(axis=(0, 1))
    support_CKD, query_QD = (
        moved / np.linalg.norm(moved, axis=-1, keepdims=True) for moved in (support_CKD - mean_D, query_QD - mean_D)
    )
    centroid_C1D = support_CKD.mean(axis=1)[:, None, :]
    answers = []
    for start in range(0, len(query_QD), QUERIES_AT_ONCE):
        difference_CQD = centroid_C1D - query_QD[start : start + QUERIES_AT_ONCE]
        answers.append(np.linalg.norm(difference_CQD, axis=-1).argmin(axis=0))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return seconds, cpu, (resident() - before) / 2**20, np.concatenate(answers)
