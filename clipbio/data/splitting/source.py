"""A source whose records get their split from a scheme."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from clipbio.data.sources.base import Source
from clipbio.data.sources.wrapped import WrappedSource
from clipbio.data.specimen import Specimen
from clipbio.data.splitting.records import IntArray, id_hash, read_records
from clipbio.data.splitting.scheme import PUBLISHED, Assignment, Scheme
from clipbio.errors import ClipbioError
from clipbio.files import write_json

__all__ = ["RULE", "SplitSource"]

RULE = "split.json"
"""File of a shard folder that tells how it was split."""

log = logging.getLogger(__name__)


class SplitSource(WrappedSource):
    """Read a source twice: once for the keys of its records, then for the records with their split.

    Args:
        source: The records.
        scheme: The rule.
    """

    def __init__(self, source: Source, scheme: Scheme) -> None:
        super().__init__(source)
        self.scheme = scheme

    @property
    def rule(self) -> str:
        """Tell the scheme."""
        return json.dumps(self.scheme.describe(), sort_keys=True)

    def __iter__(self) -> Iterator[Specimen]:
        id_N, assignment = self._decided
        row = -1
        for row, specimen in enumerate(self.source):
            if row >= len(id_N) or id_hash(specimen.id) != id_N[row]:
                raise ClipbioError(f"specimen '{specimen.id}' was not there in the first pass: the source has changed")
            if (placed := self._placed(specimen, row, assignment)) is not None:
                yield placed
        if row + 1 < len(id_N):
            raise ClipbioError(f"the source gave {len(id_N)} records, then only {row + 1}: it has changed")
        for finding in assignment.findings:
            self.defects.add(finding.kind, finding.where, finding.message, skipped=False)

    def write_side_files(self, folder: Path) -> None:
        """Write the rule as `split.json`, and what the source itself has to write."""
        write_json(folder / RULE, self.scheme.describe())
        super().write_side_files(folder)

    @cached_property
    def _decided(self) -> tuple[IntArray, Assignment]:
        log.info("reading the keys of all records: %s", ", ".join(self.scheme.keys) or "their ids")
        scheme = self.scheme
        records = read_records(self.source, scheme.keys, spelled=scheme.spelled, readers=scheme.readers)
        return np.array(records.id_N), scheme.assign(records)

    def _placed(self, specimen: Specimen, row: int, assignment: Assignment) -> Specimen | None:
        split = assignment.splits[row]
        if split:
            published = assignment.published[row] if assignment.published else ""
            more = {PUBLISHED: published} if published else {}
            return replace(specimen, split=split, metadata={**specimen.metadata, **more})
        reason = assignment.left_out
        assert reason is not None
        self.defects.add(reason.kind, f"specimen '{specimen.id}'", reason.message, skipped=reason.skipped)
        return None
