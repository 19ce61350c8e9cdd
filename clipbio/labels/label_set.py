"""A label set as it is read: taxa, vectors, and whether they belong to a model.

Shape suffixes: C taxa, P probes, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText
from clipbio.files import file_hash, read_json
from clipbio.taxonomy import RANKS, Taxon
from clipbio.tensor_files import map_tensors

__all__ = ["LABELS", "SCHEMA", "TAXA", "VECTORS", "LabelSet"]

SCHEMA = 1
LABELS, TAXA, VECTORS = "labels.json", "taxa.parquet", "vectors.safetensors"
# Below what another precision or merged adapters change, far below what a step of training does.
_SAME = 1e-5

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LabelSet:
    """A folder with `taxa.parquet`, `vectors.safetensors` and `labels.json`.

    `facts` is what stands in `labels.json`: `hash` over names, templates and text type, `text_tower`, `source` ...
    """

    folder: Path
    facts: Mapping[str, Any]

    @classmethod
    def load(cls, folder: str | Path) -> LabelSet:
        """Open a label set.

        Raises:
            ClipbioError: It is none, is damaged, or comes from a newer version.
        """
        place = Path(folder).expanduser()
        if not (place / LABELS).is_file():
            raise ClipbioError(
                f"{place} is no label set (no {LABELS} in it); make one with "
                "'python -m clipbio labels checkpoint=RUN taxa=TABLE out=FOLDER'"
            )
        facts = read_json(place / LABELS)
        if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
            told = facts.get("schema") if isinstance(facts, dict) else None
            raise ClipbioError(f"{place / LABELS} has schema {told}, this version reads {SCHEMA}: make the set again")
        found = cls(place, facts)
        found._check_files()
        return found

    def __len__(self) -> int:
        return int(self.facts["count"])

    @property
    def dim(self) -> int:
        """Return the length of the vectors."""
        return int(self.facts["dim"])

    @property
    def hash(self) -> str:
        """Return what stands for names, templates and text type, whatever model made the vectors."""
        return str(self.facts["hash"])

    @cached_property
    def taxa(self) -> pa.Table:
        """Return a row per taxon: seven ranks, common_name, label, key, text (the name in a prompt), text_type."""
        return pq.read_table(self.folder / TAXA)

    def taxon(self, row: int) -> Taxon:
        """Return the taxon of a row."""
        return Taxon(*(str(self.taxa[rank][row].as_py()) for rank in RANKS))

    @property
    def vectors_CD(self) -> Array:
        """Return the unit vectors as they are stored, float32 or float16: what is not read stays on the disk."""
        return self._arrays[1]

    def chunks(self, rows: int = 65_536) -> Iterator[Tensor]:
        """Yield the unit vectors as float32, some rows at a time, in the order of `taxa`."""
        for start in range(0, len(self), rows):
            chunk_cD = torch.from_numpy(np.array(self.vectors_CD[start : start + rows], dtype=np.float32))
            # Rounded to half precision they are no longer quite of unit length.
            yield functional.normalize(chunk_cD, dim=-1)

    def check(self, encode_text: EncodeText, what: str = "this model") -> None:
        """Refuse a model whose text tower is not the one that made the vectors.

        A few texts are encoded again and compared with what they were: adapters that were merged since, or a copy in
        another format, are the same tower.

        Args:
            encode_text: The model's texts to unit vectors.
            what: Name of the model, for the message.

        Raises:
            ClipbioError: It is another tower.
        """
        remedy = "make a label set for this model with 'python -m clipbio labels'"
        maker = f"{self.folder} was made by {self.facts['model']}"
        probes_PD = torch.from_numpy(np.array(self._arrays[0]))
        own_PD = functional.normalize(encode_text(list(self.facts["probes"])).detach().float().cpu(), dim=-1)
        if own_PD.shape[1] != self.dim:
            raise ClipbioError(f"{maker} in {self.dim} dimensions, {what} has {own_PD.shape[1]}; {remedy}")
        likeness = float((own_PD * probes_PD).sum(dim=-1).min())
        if not likeness > 1 - _SAME:
            raise ClipbioError(
                f"{maker}, whose text tower is not that of {what} (cosine {likeness:.4f} between their vectors of the "
                f"same text); {remedy}"
            )

    @cached_property
    def _arrays(self) -> tuple[Array, Array]:
        path, remedy = self.folder / VECTORS, "make the label set again"
        tensors = map_tensors(path, remedy, writable=True)
        if missing := {"probes", "vectors"} - set(tensors):
            raise ClipbioError(f"{path} is damaged (no {min(missing)}); {remedy}")
        return tensors["probes"], tensors["vectors"]

    def _check_files(self) -> None:
        for key in ("count", "dim", "hash", "probes", "model", "taxa_sha256"):
            if key not in self.facts:
                raise ClipbioError(f"{self.folder / LABELS} is damaged (no {key}); make the label set again")
        if not (self.folder / TAXA).is_file() or file_hash(self.folder / TAXA) != self.facts["taxa_sha256"]:
            raise ClipbioError(f"{self.folder / TAXA} is not the one that was written; make the label set again")
        probes_PD, vectors_CD = self._arrays
        if vectors_CD.shape != (len(self), self.dim) or probes_PD.shape != (len(self.facts["probes"]), self.dim):
            raise ClipbioError(f"{self.folder / VECTORS} does not go with {LABELS}; make the label set again")
