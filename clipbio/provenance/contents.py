"""What went into a run and came out of it: data with their licences, pretrained weights, checkpoints."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from torch import Tensor

from clipbio.checkpoint_files import BEST, LAST, checkpoint_path, read_checkpoint
from clipbio.data.datamodule import SpecimenData
from clipbio.data.manifest import INDEX, Manifest
from clipbio.data.roots import is_remote
from clipbio.errors import ClipbioError
from clipbio.files import file_hash
from clipbio.models.weights import PACKAGE, package_files
from clipbio.provenance.packages import version
from clipbio.urls import without_passwords

__all__ = ["checkpoint_facts", "data_facts", "tensor_hash", "weights_facts"]

_MOST_NAMES = 40
_WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")


def data_facts(data: SpecimenData) -> dict[str, Any]:
    """Return content hash, size, sources and licences of the data, and what each stream draws from which of them."""
    own = _folder_facts(data.folder.root, data.root)
    streams = {}
    for name, planned in data.planned.items():
        stream = planned.stream
        foreign = stream.own_data and planned.split.index.root != data.folder.root
        about = _folder_facts(planned.split.index.root, stream.root) if foreign else {"manifest": own["manifest"]}
        streams[name] = {**about, "split": stream.split, "train_specimens": len(planned.rows)}
    return {**own, "streams": streams}


def _folder_facts(folder: Path, root: str | None) -> dict[str, Any]:
    manifest = Manifest.load(folder)
    sources, licences = _counted(folder / INDEX)
    return {
        "root": None if root is None else without_passwords(root),
        "manifest": manifest.hash,
        "fingerprint": manifest.fingerprint,
        "specimens": {split: counts["samples"] for split, counts in manifest.splits.items()},
        "sources": sources,
        "licences": licences,
    }


def _counted(index: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Return the specimens of each source and of each licence, the most frequent first."""
    counts: dict[str, Counter[str]] = {"source": Counter(), "licence": Counter()}
    with pq.ParquetFile(index) as file:
        for batch in file.iter_batches(columns=[*counts]):
            for name, counter in counts.items():
                for one in batch.column(name).value_counts().to_pylist():
                    counter[one["values"] or "not told"] += one["counts"]
    return _most(counts["source"]), _most(counts["licence"])


def _most(counts: Counter[str]) -> dict[str, int]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ordered[_MOST_NAMES:])
    return dict(ordered[:_MOST_NAMES]) | ({f"{len(ordered) - _MOST_NAMES} others": rest} if rest else {})


def weights_facts(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return from where the weights came with which training began, and the hash of each file that is here.

    Weights that a library fetches by a name have that name alone.
    """
    named = {f"model.{key}": value for key, value in _weights(config.get("model") or {})}
    if config.get("init"):
        named["init"] = str(config["init"])
    return {key: {"source": without_passwords(value), **_hashes(key, value)} for key, value in named.items()}


def _weights(model: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in model.items():
        if isinstance(value, Mapping):
            yield from _weights(value, f"{prefix}{key}.")
        elif key in ("weights", "pretrained") and value:
            yield f"{prefix}{key}", str(value)


def _hashes(key: str, value: str) -> dict[str, Any]:
    try:
        files = _files(key, value)
    except (ClipbioError, OSError):
        return {}
    package = value.removeprefix(PACKAGE) if value.startswith(PACKAGE) else None
    told = {"version": version(package)} if package else {}
    return {**told, "sha256": {path.name: file_hash(path) for path in files}}


def _files(key: str, value: str) -> list[Path]:
    if value.startswith(PACKAGE):
        found = package_files(value.removeprefix(PACKAGE))
    elif key == "init":
        return [checkpoint_path(value)]
    elif is_remote(value, key):
        return []
    else:
        path = Path(value).expanduser()
        found = [path] if path.is_file() else sorted(path.glob("*")) if path.is_dir() else []
    return [path for path in found if path.suffix in _WEIGHT_FILES]


def checkpoint_facts(folder: Path) -> dict[str, dict[str, Any]]:
    """Return step and hash of the weights of `best` and `last` checkpoint of a run folder, where they are."""
    found = {}
    for path in (BEST, LAST):
        if (folder / path).exists():
            checkpoint = read_checkpoint(folder / path)
            state = checkpoint["state_dict"]
            found[path.stem] = {"step": checkpoint["global_step"], "tensors": tensor_hash(state)}
    return found


def tensor_hash(state: Mapping[str, Tensor]) -> str:
    """Return a SHA-256 of tensors with their names: the same for the same bits, in whichever file they lie."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name}|{plain.dtype}|{tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
