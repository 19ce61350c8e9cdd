"""CLIP_benchmark's WebDataset layout: class numbers in the tars, class names in a file beside them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clipbio.data.foreign.bioclip import image_among, text_of
from clipbio.data.manifest import ShardError
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.names import binomial, clean_phrase
from clipbio.taxonomy import Taxon

__all__ = ["CLASS_NAMES", "DATASET_TYPE", "TEMPLATES", "ClipBenchmarkLayout", "multi_hot"]

CLASS_NAMES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
DATASET_TYPE = "dataset_type.txt"
_NAMES_BYTES = 64 * 2**20
_BINOMIAL_SHARE = 0.9


class ClipBenchmarkLayout:
    """An image with the number of its class (`.cls`), one flag per class (`.npy`), or captions (`.txt`, one a line).

    The class name is the label, as it stands. Where nine in ten of all class names have the form of a binomial ("Pica
    hudsonia") those are read as genus and epithet; otherwise class names are common names, because "Tree sparrow" has
    that form, too. Captions are descriptions.

    Args:
        root: The folder with the file of class names, if there is one.
    """

    name = "clip_benchmark"
    members = frozenset({"cls", "npy", "txt"})

    def __init__(self, root: Path) -> None:
        self.class_names = _class_names(root / CLASS_NAMES)
        named = [name for name in self.class_names if name]
        binomials = sum(_taxon(name) is not None for name in named)
        self.scientific = bool(named) and binomials >= _BINOMIAL_SHARE * len(named)

    def specimen(self, key: str, members: Mapping[str, bytes]) -> Specimen:
        """Return the specimen of a sample, without id: the index knows it."""
        del key
        labels = [self._class_name(number) for number in _classes(members)]
        label = ", ".join(labels)
        taxon = _taxon(label) if self.scientific and len(labels) == 1 else None
        common = clean_phrase(label) if len(labels) == 1 and not self.scientific and "_" not in label else ""
        captions = map(clean_phrase, text_of(members, "txt").splitlines())
        metadata: dict[str, Any] = {"labels": labels} if "npy" in members else {}
        return Specimen(
            id="",
            taxon=taxon or Taxon(),
            image=image_among(members),
            common_names=(common,) if common else (),
            descriptions=tuple(dict.fromkeys(filter(None, captions))),
            label=label,
            metadata=metadata,
        )

    def _class_name(self, number: int) -> str:
        if not self.class_names:
            return str(number)
        if number >= len(self.class_names):
            raise ShardError(f"class {number} is none of the {len(self.class_names)} lines of {CLASS_NAMES}")
        return self.class_names[number]


def multi_hot(data: bytes) -> list[int]:
    """Return which flags of an array in NumPy's format are set, without ever unpickling.

    Raises:
        ShardError: It is no one-dimensional array of numbers, or not as long as its header says.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    except (ValueError, TypeError, SyntaxError, EOFError, RecursionError, MemoryError) as error:
        raise ShardError(f"'.npy' is no array in NumPy's format ({str(error)[:80]})") from error
    if dtype.hasobject:
        raise ShardError("'.npy' holds pickled objects, which can run anything: it is never read")
    if len(shape) != 1 or dtype.kind not in "biuf":
        raise ShardError(f"'.npy' holds {dtype} of shape {shape}, not one flag per class")
    content = data[stream.tell() :]
    if len(content) != shape[0] * dtype.itemsize:
        raise ShardError(f"'.npy' claims {shape[0]} flags, but holds {len(content)} bytes")
    return [int(number) for number in np.flatnonzero(np.frombuffer(content, dtype))]


def _classes(members: Mapping[str, bytes]) -> list[int]:
    if "npy" in members:
        return multi_hot(members["npy"])
    if "cls" not in members:
        return []
    text = text_of(members, "cls")
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ShardError(f"'.cls' holds {text[:20]!r}, not the number of a class")
    return [int(text)]


def _class_names(path: Path) -> list[str]:
    """Return the lines of the file, the number of a line being the class; none if there is no file."""
    if not path.is_file():
        return []
    if path.stat().st_size > _NAMES_BYTES:
        raise ClipbioError(f"{path} has {path.stat().st_size} bytes: that is no list of class names")
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").rstrip().split("\n")]
    except UnicodeDecodeError as error:
        raise ClipbioError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8") from error


def _taxon(name: str) -> Taxon | None:
    """Return the taxon of a clean binomial, None for all else."""
    genus, epithet = binomial("", name)
    return Taxon(genus=genus, species=epithet) if epithet and f"{genus} {epithet}" == name else None
