"""Check a shard folder against its manifest, or a specimen table before it is prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clipbio.data import images
from clipbio.data.check_shards import ShardCheck
from clipbio.data.defects import Defects
from clipbio.data.images import BadImageError
from clipbio.data.manifest import MANIFEST
from clipbio.data.members import described, image_of, members_of
from clipbio.data.options import PrepareOptions
from clipbio.data.roots import local_folder
from clipbio.data.sources.table import TableSource, find_specimens
from clipbio.data.species_texts import joinable
from clipbio.errors import ClipbioError
from clipbio.progress import progress_bar

__all__ = ["CheckReport", "check", "render"]

_FINDINGS_PER_KIND = 10


@dataclass(frozen=True)
class CheckReport:
    """What a check found: `findings` whose kind skips records are errors, the others warnings."""

    root: Path
    what: str
    findings: Defects
    totals: Mapping[str, int]

    @property
    def errors(self) -> int:
        """Count the findings that are errors."""
        return sum(count for kind, count in self.findings.counts.items() if self.findings.skips(kind))

    @property
    def warnings(self) -> int:
        """Count the findings that only deserve a look."""
        return len(self.findings) - self.errors


def check(root: str | Path, *, decode: bool = False, progress: bool = False) -> CheckReport:
    """Verify a shard folder against its manifest, or tell the defects of a specimen table; nothing is written.

    Args:
        root: A shard folder or the folder of a specimen table.
        decode: Decode every image, which finds damage behind the header and takes a while.
        progress: Show a progress bar.
    """
    root = local_folder(root, "root")
    if (root / MANIFEST).is_file():
        shards = ShardCheck(root, decode=decode, findings=Defects(kept=_FINDINGS_PER_KIND))
        shards.run(progress=progress)
        return CheckReport(root, "shard folder", shards.findings, shards.totals)
    if root.is_dir() and find_specimens(root):
        return _check_table(root, decode=decode, progress=progress)
    raise ClipbioError(f"{root} is neither a shard folder ({MANIFEST}) nor the folder of a specimen table")


def render(report: CheckReport, console: Console | None = None) -> int:
    """Draw a report as a table and return the exit status: 1 if there are errors."""
    console = console or Console()
    totals = ", ".join(f"{count} {name}" for name, count in report.totals.items())
    console.print(Text(f"{report.root}: {report.what}, {totals}"), soft_wrap=True)
    if report.findings:
        table = Table("", "kind", "count", "where", "what is wrong")
        for kind, count in report.findings.counts.items():
            severity = "error" if report.findings.skips(kind) else "warning"
            for number, finding in enumerate(report.findings.of(kind)):
                first = (severity, kind, str(count)) if number == 0 else ("", "", "")
                table.add_row(*first, Text(finding.where, overflow="fold"), Text(finding.message, overflow="fold"))
        console.print(table)
    console.print(f"{report.errors} errors, {report.warnings} warnings")
    return 1 if report.errors else 0


def _check_table(root: Path, *, decode: bool, progress: bool) -> CheckReport:
    source = TableSource(root)
    source.defects.kept = _FINDINGS_PER_KIND
    totals = dict.fromkeys(("specimens", "images", "masks", "barcodes"), 0)
    taxa = set()
    with progress_bar(enabled=progress) as bar:
        task = bar.add_task("checking the table", total=source.total)
        for specimen in source:
            bar.advance(task)
            taxa.add(specimen.taxon)
            where = f"specimen '{specimen.id}'"
            try:
                members = members_of(specimen, PrepareOptions(), source.defects)
                image = image_of(members)
                if decode and image is not None:
                    images.decode(image).close()
            except (BadImageError, OSError) as error:
                kind = error.kind if isinstance(error, BadImageError) else "unreadable_file"
                source.defects.add(kind, where, described(specimen.image, error))
                continue
            if not specimen.has_name:
                source.defects.add("unnamed", where, "no taxon, common name, label or description", skipped=False)
            _count(
                totals, specimens=1, images=image is not None, masks="mask.png" in members, barcodes=bool(specimen.dna)
            )
    joinable(source.species_texts(), taxa, source.defects)
    return CheckReport(root, "specimen table", source.defects, totals)


def _count(totals: dict[str, int], **more: int) -> None:
    for name, count in more.items():
        totals[name] += count
