"""Embeddings that were made elsewhere: read from files and joined with the specimens of a split by id.

Shape suffixes: N rows of a file, n those that have a modality, D dimensions, T texts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors
import torch
from torch import Tensor

from clipbio.data.batch import Skipped
from clipbio.data.splits import SplitRows
from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.embed import Collector, Gathered, Part
from clipbio.evaluation.embedding_files import ABOUT, FORMATS, TEXTS, read_list_column
from clipbio.files import read_json

__all__ = ["GivenEmbeddings"]

Array = npt.NDArray[Any]
_MODALITIES = ("image", "dna")
# How far the length of a vector that is said to be normalised may be from 1.
_UNIT = 1e-2


class _Table(NamedTuple):
    ids: list[str]
    vectors: dict[str, tuple[Array, Array]]


class GivenEmbeddings:
    """A folder of embeddings: `SPLIT.parquet` or `SPLIT.safetensors`, perhaps `embeddings.json` and `texts.parquet`.

    Vectors are brought to unit length, unless `embeddings.json` says `normalised: true`. Nothing in the files is run.

    Args:
        folder: The folder.

    Raises:
        ClipbioError: It is none, or its `embeddings.json` is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise ClipbioError(f"embeddings={folder} is no folder; it holds SPLIT.parquet or SPLIT.safetensors")
        about = read_json(folder / ABOUT) if (folder / ABOUT).exists() else {}
        if not isinstance(about, Mapping):
            raise ClipbioError(f"{folder / ABOUT} must hold an object, with 'normalised' and what else is known")
        self.about = about
        self.normalised = about.get("normalised") is True
        self._dims: dict[int, str] = {}

    @property
    def has_texts(self) -> bool:
        """Tell whether vectors of texts are given too."""
        return (self.folder / TEXTS).exists()

    @property
    def modalities(self) -> tuple[str, ...]:
        """Name the modalities that some file has."""
        known = {name for path in self._files() for name in _columns(path)}
        return tuple(name for name in _MODALITIES if name in known)

    @property
    def name(self) -> str:
        """Say what made the vectors, as far as is known."""
        return str(self.about.get("model") or self.folder.name)

    @cached_property
    def hash(self) -> str:
        """Return a hash of all files."""
        digest = hashlib.sha256()
        for path in (*self._files(), self.folder / TEXTS):
            if path.exists():
                with path.open("rb") as file:
                    digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:24]

    def gathered(self, split: SplitRows, name: str, *, encodable: Array, max_skipped_share: float) -> Gathered:
        """Return the vectors of a split in the order of its rows.

        Args:
            split: The split as the data have it.
            name: What its file is called.
            encodable: Rows that must be given, as they have something that is encoded, or be named under `skipped`.
            max_skipped_share: Share of them that may be skipped.

        Raises:
            ClipbioError: Ids are missing, unknown or given twice, or vectors cannot become unit vectors.
        """
        path = self._file(name)
        table = _read(path)
        row_of = {split.index.ids[int(row)]: int(row) for row in split.rows}
        _check_ids(table.ids, row_of, path, split.name)
        rows_N = np.array([row_of[id_] for id_ in table.ids], np.int64)
        told = dict((self.about.get("skipped") or {}).get(name) or {})
        skipped = [(row_of[id_], Skipped(id_, str(why))) for id_, why in told.items() if id_ in row_of]
        lost = sorted({*encodable.tolist()} - {*rows_N.tolist()} - {row for row, _ in skipped})
        if lost:
            raise ClipbioError(
                f"{path}: {len(lost)} of {len(encodable)} specimens of split '{split.name}' have no vector (the first "
                f"one: '{split.index.ids[lost[0]]}'); name them with a reason under skipped.{name} in {ABOUT} "
                "if they cannot be encoded"
            )
        vectors = {
            key: (mask_N, self._unit(one_nD, path, key))
            for key, (mask_N, one_nD) in table.vectors.items()
            if mask_N.any()
        }
        self._check_dims({key: one_nD.shape[1] for key, (_, one_nD) in vectors.items()}, path)
        due = np.union1d(rows_N, np.array([row for row, _ in skipped], np.int64))
        return Collector(split.name, due, max_skipped_share).join([Part(rows_N, vectors)], skipped)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Return the given unit vectors of texts (T, D).

        Raises:
            ClipbioError: No texts are given, or not all of these.
        """
        if not self.has_texts:
            raise ClipbioError(
                f"{self.folder} holds no {TEXTS} (text, vector), and no model encodes texts: leave out benchmarks that "
                "compare with texts, or give the model"
            )
        places, vectors_TD = self._texts
        absent = [text for text in texts if text not in places]
        if absent:
            raise ClipbioError(
                f"{self.folder / TEXTS} lacks {len(absent)} of {len(texts)} texts that are asked for, such as "
                f"'{absent[0][:80]}': add them, or give the model"
            )
        return torch.from_numpy(vectors_TD[[places[text] for text in texts]])

    @cached_property
    def _texts(self) -> tuple[dict[str, int], Array]:
        path = self.folder / TEXTS
        table = _read_parquet(path, key="text", columns=("vector",))
        if "vector" not in table.vectors or not table.vectors["vector"][0].all():
            raise ClipbioError(f"{path} needs a column 'vector' with a list of numbers in each row")
        vectors_TD = self._unit(table.vectors["vector"][1], path, "vector")
        self._check_dims({"vector": vectors_TD.shape[1]}, path)
        return {text: row for row, text in enumerate(table.ids)}, vectors_TD

    def _check_dims(self, dims: Mapping[str, int], path: Path) -> None:
        """Refuse vectors of other lengths than all others: they are to be compared."""
        for name, dim in dims.items():
            self._dims.setdefault(dim, f"{path.name}, {name}")
            if len(self._dims) > 1:
                (one, first), (other, second), *_ = self._dims.items()
                raise ClipbioError(
                    f"embeddings={self.folder}: vectors of {one} dimensions ({first}) cannot be compared with those of "
                    f"{other} ({second}): give those of one model"
                )

    def _files(self) -> list[Path]:
        found = [path for path in sorted(self.folder.glob("*")) if path.suffix[1:] in FORMATS and path.name != TEXTS]
        if not found:
            raise ClipbioError(f"embeddings={self.folder} holds no SPLIT.parquet or SPLIT.safetensors")
        return found

    def _file(self, split: str) -> Path:
        for path in self._files():
            if path.stem == split:
                return path
        names = [path.stem for path in self._files()]
        raise ClipbioError(f"embeddings={self.folder} holds no vectors of split '{split}'{nearest(split, names)}")

    def _unit(self, vectors_nD: Array, path: Path, name: str) -> Array:
        if not np.isfinite(vectors_nD).all():
            row = int(np.flatnonzero(~np.isfinite(vectors_nD).all(axis=1))[0])
            raise ClipbioError(f"{path}: {name} holds numbers that are not finite, the first in vector {row}")
        norm_n = np.linalg.norm(vectors_nD, axis=1, keepdims=True)
        if not norm_n.all():
            row = int(np.flatnonzero(norm_n == 0)[0])
            raise ClipbioError(f"{path}: vector {row} of {name} is all zeros; leave it empty where there is none")
        if not self.normalised:
            unit_nD: Array = (vectors_nD / norm_n).astype(np.float32)
            return unit_nD
        if len(norm_n) and np.abs(norm_n - 1).max() > _UNIT:
            raise ClipbioError(
                f"{path}: {name} holds vectors of length {norm_n.min():.3g} to {norm_n.max():.3g}, but {ABOUT} says "
                "normalised: true; correct it"
            )
        return vectors_nD


def _check_ids(ids: Sequence[str], known: Mapping[str, int], path: Path, split: str) -> None:
    seen: set[str] = set()
    for row, id_ in enumerate(ids):
        if id_ not in known:
            unknown = sum(one not in known for one in ids)
            raise ClipbioError(
                f"{path}, row {row}: split '{split}' has no specimen '{id_}' ({unknown} of {len(ids)} ids are unknown)"
            )
        if id_ in seen:
            raise ClipbioError(f"{path}, row {row}: the id '{id_}' is given twice")
        seen.add(id_)


def _columns(path: Path) -> list[str]:
    try:
        if path.suffix == ".parquet":
            return list(pq.read_schema(path).names)
        with safetensors.safe_open(path, framework="np") as file:
            return [name.removesuffix(".vectors") for name in file.keys()]  # noqa: SIM118
    except (pa.ArrowException, safetensors.SafetensorError, OSError) as error:
        raise ClipbioError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def _read(path: Path) -> _Table:
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _read_parquet(path, key="id", columns=_MODALITIES)


def _read_parquet(path: Path, *, key: str, columns: Sequence[str]) -> _Table:
    names = _columns(path)
    wanted = [name for name in columns if name in names]
    if key not in names or not wanted:
        raise ClipbioError(
            f"{path} needs a column '{key}' and a list of numbers per row in {' or '.join(columns)}; it has "
            f"{', '.join(names)}"
        )
    try:
        table = pq.read_table(path, columns=[key, *wanted])
        ids = table[key].cast(pa.string()).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ClipbioError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if None in ids:
        raise ClipbioError(f"{path}, row {ids.index(None)}: the {key} is empty")
    return _Table(ids, {name: read_list_column(table[name], path, name) for name in wanted})


def _read_safetensors(path: Path) -> _Table:
    try:
        with safetensors.safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        ids = json.loads(bytes(tensors.pop("ids")))
        names = [name.removesuffix(".vectors") for name in tensors if name.endswith(".vectors")]
        found = {name: (tensors[f"{name}.mask"].astype(bool), tensors[f"{name}.vectors"]) for name in names}
        if not found or any(mask.shape != (len(ids),) or len(one) != len(ids) for mask, one in found.values()):
            raise ValueError("its tensors do not have one row per id")
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ClipbioError(
            f"{path} cannot be read: {error}; it needs ids (bytes of a JSON list), image.vectors (N, D) and "
            "image.mask (N,)"
        ) from error
    vectors = {name: (mask, one[mask].astype(np.float32)) for name, (mask, one) in found.items() if name in _MODALITIES}
    return _Table([str(id_) for id_ in ids], vectors)
