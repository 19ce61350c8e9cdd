"""What is not as it was when a run was made, and whether its numbers can still be promised to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Difference", "differences", "is_exact"]

# Packages whose version may change a number; of all others it is told how many differ.
_NUMERIC = frozenset(
    {"torch", "torchvision", "pytorch-lightning", "open-clip-torch", "timm", "transformers", "tokenizers", "webdataset",
     "numpy", "scipy", "scikit-learn", "pillow", "simplejpeg", "safetensors", "peft", "pyarrow", "torchmetrics"}
)  # fmt: skip
_THREADS = ("MKL_", "OMP_", "OPENBLAS_")


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was.

    Attributes:
        what: Its name.
        then: What `run.json` says.
        now: What is so now.
        decisive: Whether it may change the last bits of a number.
    """

    what: str
    then: str
    now: str
    decisive: bool = True


def differences(
    then: Mapping[str, Any], now: Mapping[str, Any], *, packages: tuple[Mapping[str, str], Mapping[str, str]]
) -> list[Difference]:
    """Return what differs between two `run.json`; what the older one does not tell cannot differ.

    Args:
        then: Of the run.
        now: Of this process, with `world_size`, `data_manifest` and `stream_manifests`.
        packages: All packages of the run, and of now.
    """
    return [
        *_code(then, now),
        *_packages(*packages),
        *_data(then, now),
        *_machine(then, now),
        *_environment(then.get("environment"), now["environment"]),
        *_differ("seed", then.get("seed"), now.get("seed")),
    ]


def is_exact(run: Mapping[str, Any], config: Mapping[str, Any], found: list[Difference]) -> bool:
    """Tell whether equal bits are promised: one process on a CPU, uncompiled, and nothing decisive has changed."""
    alone = run.get("world_size", 1) == 1 and (config.get("trainer") or {}).get("accelerator", "cpu") == "cpu"
    known = bool(run.get("source_hash") and run.get("torch"))
    return alone and known and not config.get("compile") and not any(one.decisive for one in found)


def _differ(what: str, then: Any, now: Any, *, decisive: bool = True) -> Iterator[Difference]:
    if then is not None and then != now:
        yield Difference(what, str(then), str(now), decisive)


def _code(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    # Commit and diff only name the code: the hash of the source says whether it is another.
    hashes = [one.get("source_hash") for one in then.get("attempts") or ()] or [then.get("source_hash")]
    earlier = {one for one in hashes if one}
    unknown = then.get("source_hash") is None
    git_then, git_now = then.get("git") or {}, now.get("git") or {}
    yield from _differ("commit", git_then.get("commit"), git_now.get("commit"), decisive=unknown)
    yield from _differ("checkout changed", git_then.get("changed"), git_now.get("changed"), decisive=unknown)
    yield from _differ("source of clipbio", " and ".join(sorted(earlier)) or None, now["source_hash"])
    yield from _differ("Python", then.get("python"), now["python"])


def _packages(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Difference]:
    others = 0
    for name in sorted({*then, *now}):
        if then and then.get(name) != now.get(name) and name != "clipbio":
            if name in _NUMERIC:
                yield Difference(name, then.get(name, "not installed"), now.get(name, "not installed"))
            else:
                others += 1
    if others:
        yield Difference("other packages", f"{len(then)} installed", f"{others} of them differ", decisive=False)


def _data(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    yield from _differ("data", then.get("data_manifest"), now.get("data_manifest"))
    streams = now.get("stream_manifests") or {}
    for name, digest in (then.get("stream_manifests") or {}).items():
        yield from _differ(f"data.streams.{name}", digest, streams.get(name))


def _machine(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    machine, torch = then.get("machine") or {}, then.get("torch") or {}
    yield from _differ("processes", then.get("world_size"), now.get("world_size"))
    yield from _differ("host", then.get("host"), now["host"], decisive=False)
    for key, name in (("cpu", "CPU"), ("gpus", "GPUs"), ("driver", "driver"), ("cuda", "CUDA"), ("cudnn", "cuDNN"),
                      ("nccl", "NCCL")):  # fmt: skip
        yield from _differ(name, machine.get(key), now["machine"].get(key))
    yield from _differ("cores", machine.get("usable_cores"), now["machine"]["usable_cores"], decisive=False)
    for key, value in torch.items():
        yield from _differ(f"torch: {key.replace('_', ' ')}", value, now["torch"].get(key))


def _environment(then: Mapping[str, str] | None, now: Mapping[str, str]) -> Iterator[Difference]:
    if then is None:
        return
    for name in sorted({*then, *now}):
        # Where a job ran changes no number; how many threads a library takes may.
        decisive = name.startswith(_THREADS)
        yield from _differ(name, then.get(name, "not set"), now.get(name, "not set"), decisive=decisive)
