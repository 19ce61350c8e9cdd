"""Time and peak memory of our losses against open_clip's: `python benchmarks/loss.py [CASE ...]`.

A case is `loss/KIND/BATCH`, where KIND is `memory` or `time`; `loss/sigmoid/KIND/BATCH` is the sigmoid loss, and
`loss/cuda/...` runs on the GPU. Any batch size works; `*` and `?` choose among the usual cases, which all run without
an argument (those on a GPU where there is one).

Both sides run forward and backward on the same seeded unit vectors of 512 dimensions. Ours is called as in training: a
head on named embeddings with presence and labels, `targets=instance`.

Memory: each side in a fresh process. After a small warm-up the kernel's record of the largest resident memory (VmHWM)
is reset through /proc/self/clear_refs; reported is how far it rises above the resident memory (VmRSS) just before the
loss, when the inputs are there. On a GPU: `torch.cuda.max_memory_allocated` above what was allocated before.

Time: one process, the sides in turn, after a warm-up; the median of the repetitions, with equally many threads.

`exact` is the largest difference between the sides, of the value and of each gradient, relative to its largest entry.
On a GPU both sides run under bf16 autocast, in which ours keeps float32 and open_clip's logits are bf16.

Shape suffixes: B batch, D dimensions.
"""

from __future__ import annotations

import argparse
import gc
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sides import alone, chosen, line, resident, start_peak

DIM, RANKS, SEED = 512, 7, 0
BIAS = -10.0
USUAL = (
    *(f"loss/time/{batch}" for batch in (1024, 2048, 4096, 8192)),
    *(f"loss/memory/{batch}" for batch in (4096, 8192, 16384, 32768)),
    *(f"loss/sigmoid/time/{batch}" for batch in (1024, 4096, 8192)),
    *(f"loss/sigmoid/memory/{batch}" for batch in (4096, 32768)),
)
USUAL_ON_GPU = tuple(name.replace("loss/", "loss/cuda/") for name in USUAL)

Loss = Callable[[dict[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Case:
    """What a name asks for."""

    name: str
    kind: str
    batch: int
    sigmoid: bool
    device: str
    temperature: float

    @property
    def peer_name(self) -> str:
        return f"open_clip {metadata.version('open_clip_torch')} {'SigLipLoss' if self.sigmoid else 'ClipLoss'}"

    def loss(self, side: str) -> tuple[Loss, list[nn.Parameter]]:
        """Return the loss of a side as a function of embeddings, and its parameters."""
        return _ours(self) if side == "ours" else _peer(self)

    def precision(self) -> AbstractContextManager[object]:
        return torch.autocast("cuda", torch.bfloat16) if self.device == "cuda" else nullcontext()


def parse(name: str, temperature: float) -> Case:
    """Return the case of a name."""
    found = re.fullmatch(r"loss/(cuda/)?(sigmoid/)?(memory|time)/(\d+)", name)
    if not found:
        raise SystemExit(f"unknown case '{name}'; a case is loss/[cuda/][sigmoid/](memory|time)/BATCH")
    cuda, sigmoid, kind, batch = found.groups()
    return Case(name, kind, int(batch), bool(sigmoid), "cuda" if cuda else "cpu", temperature)


# -- the sides ---------------------------------------------------------------------------------------------------------


def _ours(case: Case) -> tuple[Loss, list[nn.Parameter]]:
    from clipbio import losses

    if case.sigmoid:
        head = losses.sigmoid_head(targets="instance", temperature=case.temperature, bias=BIAS).to(case.device)
    else:
        head = losses.infonce_head(targets="instance", temperature=case.temperature).to(case.device)

    def loss(embeddings: dict[str, Tensor]) -> Tensor:
        count, device = len(embeddings["image"]), embeddings["image"].device
        rows_B = torch.arange(count, device=device)
        labels = {
            "taxon_BR": rows_B[:, None].expand(count, RANKS),
            "bin_B": rows_B,
            "text_B": rows_B,
            "group_B": rows_B,
        }
        present = {name: torch.ones(count, dtype=torch.bool, device=device) for name in embeddings}
        value: Tensor = head(embeddings, present, labels).loss
        return value

    return loss, list(head.parameters())


def _peer(case: Case) -> tuple[Loss, list[nn.Parameter]]:
    from open_clip.loss import ClipLoss, SigLipLoss

    log_scale = nn.Parameter(torch.tensor([1 / case.temperature], device=case.device).log())
    if not case.sigmoid:
        clip = ClipLoss()
        return lambda pair: clip(pair["image"], pair["text"], log_scale.exp()), [log_scale]
    bias = nn.Parameter(torch.tensor([BIAS], device=case.device))
    siglip = SigLipLoss()
    return lambda pair: siglip(pair["image"], pair["text"], log_scale.exp(), bias), [log_scale, bias]


def inputs(batch: int, device: str) -> dict[str, Tensor]:
    """Return seeded unit vectors: a text lies nearer to its image than to others, as in training."""
    generator = torch.Generator().manual_seed(SEED)
    image_BD = functional.normalize(torch.randn(batch, DIM, generator=generator), dim=1)
    noise_BD = functional.normalize(torch.randn(batch, DIM, generator=generator), dim=1)
    text_BD = functional.normalize(image_BD + 2 * noise_BD, dim=1)
    return {"image": image_BD.to(device).requires_grad_(), "text": text_BD.to(device).requires_grad_()}


def step(loss: Loss, parameters: list[nn.Parameter], pair: dict[str, Tensor]) -> list[Tensor]:
    """Return value and gradients: of both inputs, of scale and bias."""
    value = loss(pair)
    return [value.detach(), *torch.autograd.grad(value, [*pair.values(), *parameters])]


def difference(ours: list[Tensor], peer: list[Tensor]) -> float:
    """Return the largest difference of any of the tensors, relative to the largest entry of the peer's."""
    pairs = zip(ours, peer, strict=True)
    return max(float((one - two.reshape(one.shape)).abs().max() / two.abs().max()) for one, two in pairs)


# -- memory ------------------------------------------------------------------------------------------------------------


def memory(case: Case) -> str:
    """Measure the peak memory of both sides, each in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        files = {side: Path(folder) / f"{side}.pt" for side in ("ours", "peer")}
        peaks, seconds = zip(*(alone(peak_memory, case, side, file) for side, file in files.items()), strict=True)
        exact = difference(*(torch.load(file, weights_only=True) for file in files.values()))
    return line(
        case.name,
        ours=peaks[0],
        peer=peaks[1],
        peer_name=case.peer_name,
        unit="MiB",
        less_is_better=True,
        exact=exact,
        seconds=list(seconds),
        temperature=case.temperature,
    )


def peak_memory(case: Case, side: str, file: Path) -> tuple[float, float]:
    """Return MiB above the start and seconds; value and gradients go to a file."""
    loss, parameters = case.loss(side)
    with case.precision():
        step(loss, parameters, inputs(64, case.device))
        pair = inputs(case.batch, case.device)
        gc.collect()
        before = _start(case.device)
        began = time.perf_counter()
        result = step(loss, parameters, pair)
        _wait(case.device)
        seconds = time.perf_counter() - began
        peak = _peak(case.device) - before
    torch.save([tensor.cpu() for tensor in result], file)
    return peak / 2**20, seconds


def _start(device: str) -> int:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    return start_peak()


def _peak(device: str) -> int:
    return torch.cuda.max_memory_allocated() if device == "cuda" else resident()


# -- time --------------------------------------------------------------------------------------------------------------


def timing(case: Case, repetitions: int) -> str:
    """Measure the time of both sides in turn."""
    seconds, exact = alone(measure_time, case, repetitions)
    medians = {side: statistics.median(values) for side, values in seconds.items()}
    return line(
        case.name,
        ours=medians["ours"],
        peer=medians["peer"],
        peer_name=case.peer_name,
        unit="s",
        less_is_better=True,
        exact=exact,
        fastest=[min(seconds["ours"]), min(seconds["peer"])],
        threads=torch.get_num_threads(),
        temperature=case.temperature,
    )


def measure_time(case: Case, repetitions: int) -> tuple[dict[str, list[float]], float]:
    """Return the seconds of each repetition per side, and the difference of their results."""
    losses = {side: case.loss(side) for side in ("ours", "peer")}
    seconds: dict[str, list[float]] = {side: [] for side in losses}
    with case.precision():
        pair = inputs(case.batch, case.device)
        results = [step(*loss, pair) for loss in losses.values()]
        exact = difference(*results)
        del results
        for _ in range(repetitions):
            for side, loss in losses.items():
                _wait(case.device)
                began = time.perf_counter()
                step(*loss, pair)
                _wait(case.device)
                seconds[side].append(time.perf_counter() - began)
    return seconds, exact


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names or patterns; all without any")
    parser.add_argument("--repetitions", type=int, default=7, help="timed repetitions of each side")
    parser.add_argument("--temperature", type=float, default=0.07, help="0.01 is the clamp of CLIP")
    options = parser.parse_args()
    usual = [*USUAL, *(USUAL_ON_GPU if torch.cuda.is_available() else ())]
    for name in chosen(usual, options.cases):
        case = parse(name, options.temperature)
        print(memory(case) if case.kind == "memory" else timing(case, options.repetitions), flush=True)


if __name__ == "__main__":
    main()
