"""Writing a label set: hundreds of thousands of taxa, some at a time.

Shape suffixes: C taxa, c taxa of one part, T texts, D dimensions.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.benchmark import EncodeText
from clipbio.evaluation.embeddings import class_key
from clipbio.evaluation.prompts import ClassTexts, class_prototypes, encode_unit
from clipbio.files import file_hash, whole_folder, write_json
from clipbio.labels.label_set import LABELS, SCHEMA, TAXA, VECTORS, LabelSet
from clipbio.labels.pybioclip import PybioclipFiles
from clipbio.progress import progress_bar
from clipbio.taxonomy import RANKS
from clipbio.tensor_files import VectorFile
from clipbio.text import PROSE, TEXT_TYPES, MissingRanks, Named, Unnameable, render, template_id, templates

__all__ = ["LabelStyle", "write_label_set"]

# Texts by which a text tower is known again: short and long, plain and with accents.
_PROBES = (
    "a photo of Pica hudsonia.",
    "Plantae Tracheophyta Magnoliopsida Fagales Fagaceae Quercus robur",
    "Feuilles opposées, ovées-lancéolées; 3.5–12 cm × 2 cm.",
    "a herbarium sheet of an oak with common name pedunculate oak.",
)
_TAXA_AT_ONCE, _TEXTS_AT_ONCE = 8_192, 4_096
_COLUMNS = pa.schema(
    [(name, pa.string()) for name in (*RANKS, "common_name", "label")]
    + [("key", pa.int64()), ("text", pa.string()), ("text_type", pa.string())]
)


@dataclass(frozen=True)
class LabelStyle:
    """What taxa are called.

    Args:
        text_type: One of the text types; a taxon that lacks it gets what `render` falls back to.
        template: Name of a template set, one template, or a list: the vectors of all are averaged.
        missing_ranks: What taxonomic text does with a missing rank.
    """

    text_type: str = "taxonomic_common"
    template: str | Sequence[str] = "photo"
    missing_ranks: MissingRanks = "skip"

    def __post_init__(self) -> None:
        if self.text_type not in TEXT_TYPES:
            raise ClipbioError(f"text_type='{self.text_type}' is unknown{nearest(str(self.text_type), TEXT_TYPES)}")
        if self.missing_ranks not in get_args(MissingRanks):
            hint = nearest(str(self.missing_ranks), get_args(MissingRanks))
            raise ClipbioError(f"missing_ranks='{self.missing_ranks}' is unknown{hint}")
        templates(self.template)

    @property
    def facts(self) -> dict[str, Any]:
        """Return what decides texts, in plain JSON values."""
        return {
            "text_type": self.text_type,
            "missing_ranks": self.missing_ranks,
            "template": template_id(self.template),
            "templates": list(templates(self.template)),
        }


def write_label_set(
    folder: Path,
    things: Iterable[Named],
    encode_text: EncodeText,
    *,
    style: LabelStyle,
    made: Mapping[str, Any],
    dtype: str = "float32",
    pybioclip: bool = False,
    progress: bool = True,
) -> LabelSet:
    """Write taxa, their vectors and what decides both, and put the folder in its place as a whole.

    Args:
        folder: Where it goes; what is there is replaced.
        things: Taxa in the order they are to have; one that comes again, or that nothing names, is left out and
            counted.
        encode_text: Texts to unit vectors.
        style: What taxa are called.
        made: Further facts: `model`, `text_tower`, `projection`, `source`.
        dtype: `float32`, or `float16` at half the size.
        pybioclip: Write the two files that pybioclip reads, too.
        progress: Whether a bar is drawn.

    Raises:
        ClipbioError: No taxon has a name, vectors are not finite, or the folder cannot be written.
    """
    with whole_folder(folder) as work:
        facts = _write_taxa(work / TAXA, things, style)
        dim = _write_vectors(work, int(facts["count"]), encode_text, style, dtype, pybioclip, progress=progress)
        facts = {"schema": SCHEMA, **facts, "dim": dim, "dtype": dtype, "normalised": True, **style.facts}
        facts |= {"probes": list(_PROBES), "taxa_sha256": file_hash(work / TAXA), **made}
        write_json(work / LABELS, facts | {"clipbio": metadata.version("clipbio")})
    return LabelSet.load(folder)


def _write_taxa(path: Path, things: Iterable[Named], style: LabelStyle) -> dict[str, Any]:
    """Write the table, and return hash, count, and what was left out."""
    digest = hashlib.sha256(json.dumps([SCHEMA, style.facts], sort_keys=True).encode())
    left_out: Counter[str] = Counter()
    types: Counter[str] = Counter()
    rows = _rows(things, style, left_out)
    with pq.ParquetWriter(path, _COLUMNS) as writer:
        while part := list(islice(rows, _TAXA_AT_ONCE)):
            types.update(row["text_type"] for row in part)
            for row in part:
                digest.update(json.dumps(list(row.values()), ensure_ascii=False).encode() + b"\n")
            writer.write_table(pa.Table.from_pylist(part, _COLUMNS))
    if not types:
        raise ClipbioError(f"none of the {sum(left_out.values())} taxa has a name to call it by")
    return {
        "hash": digest.hexdigest(),
        "count": sum(types.values()),
        "text_types": dict(sorted(types.items())),
        "left_out": dict(sorted(left_out.items())),
    }


def _rows(things: Iterable[Named], style: LabelStyle, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    known: set[int] = set()
    for thing in things:
        key = class_key(thing)
        if key in known:
            left_out["named before"] += 1
            continue
        try:
            rendered = render(thing, style.text_type, template="{}", missing_ranks=style.missing_ranks)
        except Unnameable:
            rendered = None
        if key is None or rendered is None:
            left_out["without a name"] += 1
            continue
        known.add(key)
        names = dict(zip(RANKS, thing.taxon.ranks, strict=True))
        names |= {"common_name": next(iter(thing.common_names), ""), "label": thing.label}
        yield {**names, "key": key, "text": rendered.text, "text_type": rendered.type}


def _write_vectors(
    work: Path, count: int, encode_text: EncodeText, style: LabelStyle, dtype: str, pybioclip: bool, *, progress: bool
) -> int:
    """Encode the taxa of the table, and return the length of the vectors."""
    probes_PD = encode_unit(_PROBES, encode_text)
    dim = probes_PD.shape[1]
    at_once = max(1, _TEXTS_AT_ONCE // len(templates(style.template)))
    others = PybioclipFiles(work, dim, count) if pybioclip else None
    with VectorFile(work / VECTORS, dtype) as file, progress_bar(enabled=progress) as bar:
        task = bar.add_task("taxa encoded", total=count)
        file.put("probes", probes_PD.numpy())
        for batch in pq.ParquetFile(work / TAXA).iter_batches(at_once):
            rows = batch.to_pylist()
            vectors_cD = _encode(rows, encode_text, style)
            file.add(vectors_cD.numpy())
            if others is not None:
                others.add(rows, vectors_cD.numpy())
            bar.advance(task, len(rows))
    if others is not None:
        others.close()
    return int(dim)


def _encode(rows: Sequence[Mapping[str, Any]], encode_text: EncodeText, style: LabelStyle) -> Tensor:
    """Return unit vectors_cD: the mean over the templates, as zero-shot classification takes it."""
    texts: list[str] = []
    owners: list[int] = []
    for place, row in enumerate(rows):
        # Descriptions are prose: no template goes round them.
        forms = ("{}",) if row["text_type"] in PROSE else templates(style.template)
        texts += [form.replace("{}", row["text"]) for form in forms]
        owners += [place] * len(forms)
    prompts = ClassTexts(tuple(texts), torch.tensor(owners), torch.zeros(len(rows), dtype=torch.bool))
    vectors_cD = class_prototypes(prompts, encode_text)
    if not bool(vectors_cD.isfinite().all()):
        raise ClipbioError("the vectors of texts are not finite numbers: the model has diverged, take another one")
    return vectors_cD
