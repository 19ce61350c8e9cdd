"""Lists of taxa as people have them: a table with ranks and names, one taxon a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clipbio.data.defects import Defects
from clipbio.data.sources.cells import given, texts
from clipbio.data.sources.tabular import SUFFIXES, TabularFile
from clipbio.data.sources.usual_columns import columns_of
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["read_taxa"]

_NAMES = (*RANKS, "scientific_name", "common_name", "description", "label")


def read_taxa(path: Path, *, key: str = "taxa") -> Iterator[Specimen]:
    """Yield the taxa of a table, one row at a time.

    Columns are known by their usual names: the ranks, `scientific_name`, `common_name`, `label`, `description`.

    Args:
        path: A .csv, .csv.gz, .tsv, .tsv.gz or .parquet.
        key: The setting that named it, for errors.

    Raises:
        ClipbioError: The file is not there, is damaged, or none of its columns names a taxon.
    """
    if not path.is_file():
        raise ClipbioError(f"{key}={path}: there is no such file")
    if not path.name.endswith(SUFFIXES):
        raise ClipbioError(f"{key}={path}: a table is one of {', '.join(SUFFIXES)}")
    table = TabularFile(path)
    columns = {field: name for field, name in columns_of(table.columns, where=path.name).items() if field in _NAMES}
    if not columns:
        raise ClipbioError(f"{path}: no column names a taxon; call one of them {', '.join(_NAMES)}")
    broken = Defects()
    for number, cells in table.rows(broken):
        yield _taxon(table.where(number), {field: cells[name] for field, name in columns.items()})
    if broken:
        raise ClipbioError(f"{path}: {broken.summary()}; a list of taxa must be whole")


def _taxon(where: str, cells: Mapping[str, Any]) -> Specimen:
    ranks = {rank: given(cells.get(rank)) for rank in RANKS}
    # A binomial in one cell is read by the rules for a cell of the species.
    ranks["species"] = ranks["species"] or given(cells.get("scientific_name"))
    return Specimen(
        id=where,
        taxon=Taxon.from_mapping(ranks),
        common_names=texts(cells.get("common_name")),
        descriptions=texts(cells.get("description")),
        label=given(cells.get("label")),
    )
