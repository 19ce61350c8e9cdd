"""One walk through the data, and the report on what was met."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clipbio.checking import statistics
from clipbio.checking.copies import CopyGroup, add_findings, copy_groups, duplicates_to_dict
from clipbio.checking.looks import Look, look
from clipbio.checking.options import CheckOptions
from clipbio.checking.records import MODALITIES, Records
from clipbio.checking.texts import TextLengths, clip_tokens
from clipbio.checking.walks import Item, Walk, walk_through
from clipbio.data.defects import Defects
from clipbio.data.images import BadImageError
from clipbio.data.sources.base import Source
from clipbio.progress import progress_bar

__all__ = ["CheckReport", "check"]

_THREADS = 4


@dataclass(frozen=True)
class CheckReport:
    """What a check found: `findings` whose kind loses records are errors, the others warnings.

    Args:
        walk: What was walked through.
        options: How closely it was looked at.
        findings: Defects and what else deserves a look.
        numbers: The parts of `check.json` that are statistics.
        records: What was remembered of each specimen.
        texts: Lengths of the texts.
        groups: Images that show the same photo.
    """

    walk: Walk
    options: CheckOptions
    findings: Defects
    numbers: dict[str, Any]
    records: Records = field(repr=False)
    texts: TextLengths = field(repr=False)
    groups: list[CopyGroup] = field(repr=False)

    @property
    def errors(self) -> int:
        """Count the findings that are errors."""
        return sum(count for kind, count in self.findings.counts.items() if self.findings.skips(kind))

    @property
    def warnings(self) -> int:
        """Count the findings that only deserve a look."""
        return len(self.findings) - self.errors

    def failure(self, *, strict: bool) -> str:
        """Say why the data cannot pass, or nothing.

        A damaged shard folder never passes, nor does data without any usable record. Other defects fail if `strict`.
        """
        counted = f"{self.errors} errors, {self.warnings} warnings"
        if not len(self.records):
            return f"there is no usable record: {counted}"
        return counted if (strict and self.findings) or (self.walk.fatal and self.errors) else ""

    def to_dict(self) -> dict[str, Any]:
        """Return what stands in `check.json`."""
        first = self.findings.to_dict()
        defects = {
            kind: {"severity": "error" if self.findings.skips(kind) else "warning", **first[kind]}
            for kind in self.findings.counts
        }
        head = {"data": self.walk.name, "what": self.walk.what, "options": asdict(self.options)}
        return head | {"errors": self.errors, "warnings": self.warnings, "defects": defects} | self.numbers


def check(data: str | Path | Source, *, name: str = "", progress: bool = False, **settings: Any) -> CheckReport:
    """Look at all of a shard folder, of a specimen table, or of a source; nothing is written.

    Args:
        data: A shard folder, the folder of a specimen table, or a source.
        name: What the report calls a source; by default its root.
        progress: Show progress bars.
        settings: See `CheckOptions`.
    """
    options = CheckOptions(**settings)
    walk = walk_through(data, name)
    records, texts = Records(), TextLengths(options.max_texts)
    with progress_bar(enabled=progress) as bar:
        task = bar.add_task("looking at specimens", total=walk.total)
        for item, seen in _looked(walk, options):
            bar.advance(task)
            if isinstance(seen, BadImageError):
                walk.undecodable(item, seen)
            if walk.fatal or not isinstance(seen, BadImageError):
                _remember(item, None if isinstance(seen, BadImageError) else seen, records, texts, walk.findings)
        bar.update(task, total=len(records), completed=len(records))
        has_texts = _species_texts(walk, records, texts)
        task = bar.add_task("counting tokens", total=texts.kept)
        for _ in texts.count_tokens(clip_tokens()) if texts.kept else ():
            bar.advance(task)
        bar.add_task("seeking copies", total=None)
        groups = copy_groups(records)
    # A source forgets its defects when it is read again for pictures.
    findings = deepcopy(walk.findings)
    add_findings(groups, findings)
    numbers = _numbers(records, texts, has_texts, options)
    numbers["duplicates"] = duplicates_to_dict(groups, records, near=options.near_duplicates and options.decode)
    return CheckReport(walk, options, findings, numbers, records, texts, groups)


def _looked(walk: Walk, options: CheckOptions) -> Iterator[tuple[Item, Look | BadImageError | None]]:
    """Look at the images in threads, since decoding frees the interpreter; few are in memory, in their order."""
    waiting: deque[tuple[Item, Future[Look | BadImageError | None]]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for item in walk.items(options):
            waiting.append((item, pool.submit(_look, item, options)))
            if len(waiting) > 4 * _THREADS:
                first, future = waiting.popleft()
                yield first, future.result()
        for item, future in waiting:
            yield item, future.result()


def _look(item: Item, options: CheckOptions) -> Look | BadImageError | None:
    if item.image is None:
        return None
    try:
        return look(item.image, item.mask, decode=options.decode, hashed=options.near_duplicates)
    except BadImageError as error:
        return error


def _remember(item: Item, seen: Look | None, records: Records, texts: TextLengths, findings: Defects) -> None:
    specimen = item.specimen
    if wrong := records.add(specimen, seen, mask=specimen.mask is not None):
        findings.add("bad_barcode", item.where, wrong, skipped=False)
    if seen is not None and seen.blank:
        message = f"the image of '{specimen.id}' has one colour only"
        findings.add("blank_image", item.where, message, skipped=False)
    for kind, several in (("description", specimen.descriptions), ("common_name", specimen.common_names)):
        for text in several:
            texts.add(kind, text)


def _species_texts(walk: Walk, records: Records, texts: TextLengths) -> Any:
    """Add the texts of species and of names; return which modalities they bring to each kind of specimen."""
    taxa = list(dict.fromkeys(taxon for taxon, _ in records.kinds.values))
    side_texts = walk.species_texts(taxa)
    for taxon in taxa:
        texts.add_taxon(taxon)
        for text in side_texts.of(taxon):
            texts.add(text.kind, text.text)
    return statistics.text_bits(records, side_texts)


def _numbers(records: Records, texts: TextLengths, text_bits: Any, options: CheckOptions) -> dict[str, Any]:
    has_N = records.has_N(text_bits)
    totals = {"specimens": len(records)}
    for bit, name in enumerate(MODALITIES):
        totals[f"with_{name}"] = int((has_N >> bit & 1).sum())
    totals |= {"with_mask": records.masks, "images_opened": len(records.image_M)}
    return {
        "totals": totals,
        "splits": statistics.splits(records),
        "modalities": statistics.modalities(records, has_N),
        "ranks": statistics.ranks(records),
        "long_tail": statistics.long_tail(records),
        "images": statistics.image_sizes(records),
        "texts": texts.to_dict(options.context_length),
        "barcodes": records.barcodes.to_dict(),
        "licences": statistics.licences(records),
    }
