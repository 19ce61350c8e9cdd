"""The report as short tables on the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clipbio.checking.check import CheckReport

__all__ = ["render"]

_COMBINATIONS = 8
_FINDINGS = 3


def render(report: CheckReport, console: Console | None = None) -> None:
    """Draw a report."""
    console = console or Console()
    console.print(Text(f"{report.walk.name}: {report.walk.what}, {_totals(report.numbers)}"), soft_wrap=True)
    if len(report.records):
        for table in (_splits(report.numbers), _ranks(report.numbers), _modalities(report.numbers)):
            console.print(table)
        for line in _lines(report):
            console.print(Text(line), soft_wrap=True)
    if report.findings:
        console.print(_findings(report))
    console.print(f"{report.errors} errors, {report.warnings} warnings")


def _totals(numbers: Mapping[str, Any]) -> str:
    counts = {name.removeprefix("with_"): count for name, count in numbers["totals"].items()}
    del counts["images_opened"]
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())


def _splits(numbers: Mapping[str, Any]) -> Table:
    table = Table("split", "specimens", "species", "groups")
    for row in numbers["splits"]:
        table.add_row(Text(row["split"]), *(f"{row[name]:,}" for name in ("specimens", "species", "groups")))
    return table


def _ranks(numbers: Mapping[str, Any]) -> Table:
    table = Table("rank", "names", "known")
    for row in numbers["ranks"]:
        table.add_row(row["rank"], f"{row['names']:,}", f"{row['share']:.1%}")
    return table


def _modalities(numbers: Mapping[str, Any]) -> Table:
    names = ("image", "dna", "description", "common_name")
    table = Table("split", *(name.replace("_", " ") for name in names), "specimens")
    for row in numbers["modalities"][:_COMBINATIONS]:
        table.add_row(Text(row["split"]), *("yes" if row[name] else "-" for name in names), f"{row['specimens']:,}")
    if (more := len(numbers["modalities"]) - _COMBINATIONS) > 0:
        table.add_row(f"and {more} more", *[""] * (len(names) + 1))
    return table


def _lines(report: CheckReport) -> list[str]:
    numbers = report.numbers
    tail, licences = numbers["long_tail"], numbers["licences"]
    lines = [
        f"long tail: {tail['species']:,} species, {tail['singletons']:,} with one specimen, "
        f"half of the specimens in {tail['species_with_half_of_the_specimens']:,}"
    ]
    lines += _image_lines(numbers) if numbers["images"]["opened"] else []
    lines += [_text_line(kind, texts, report.options.context_length) for kind, texts in numbers["texts"].items()]
    lines += _barcode_lines(numbers["barcodes"]) if numbers["barcodes"]["length"] else []
    return [*lines, f"licences: {len(licences['counts'])} different, {licences['missing']:,} missing"]


def _image_lines(numbers: Mapping[str, Any]) -> list[str]:
    found, copies, total = numbers["images"], numbers["duplicates"], numbers["totals"]["with_image"]
    sides = ", ".join(f"{name} {found[name]['min']:.0f} to {found[name]['max']:.0f} px" for name in ("width", "height"))
    return [
        f"images: {found['opened']:,} of {total:,} opened, {sides}, {found['tiny']:,} tiny",
        f"copies: {copies['identical_groups']:,} groups of identical images, {copies['near_identical_groups']:,} of "
        f"near-identical ones; {copies['across_splits']:,} across splits, {copies['several_taxa']:,} with two taxa",
    ]


def _barcode_lines(barcodes: Mapping[str, Any]) -> list[str]:
    length = barcodes["length"]
    defects = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in barcodes["defects"].items())
    return [
        f"barcodes: {barcodes['barcodes']:,}, {length['min']:.0f} to {length['max']:.0f} bases, "
        f"{barcodes['ambiguous_share']:.1%} of the letters not ACGT; {barcodes['sound']:,} sound"
        + (f", {defects}" if defects else "")
    ]


def _text_line(kind: str, texts: Mapping[str, Any], context_length: int) -> str:
    line = f"{kind.replace('_', ' ')}: {texts['texts']:,} different, median {texts['words']['median']:.0f} words"
    if "tokens" in texts:
        share = f"{texts['truncated_share']:.1%} longer than {context_length}"
        line += f", {texts['tokens']['median']:.0f} tokens, {share}"
    return line


def _findings(report: CheckReport) -> Table:
    table = Table("", "kind", "count", "where", "what is wrong")
    for kind, count in report.findings.counts.items():
        severity = "error" if report.findings.skips(kind) else "warning"
        for number, finding in enumerate(report.findings.of(kind)[:_FINDINGS]):
            first = (severity, kind, str(count)) if number == 0 else ("", "", "")
            table.add_row(*first, Text(finding.where, overflow="fold"), Text(finding.message, overflow="fold"))
    return table
