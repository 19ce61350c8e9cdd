"""An audit as console table, JSON, Markdown and a page."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table
from rich.text import Text

from clipbio.data.leakage import Audit, Overlap
from clipbio.data.leakage_kinds import KINDS
from clipbio.files import plain_text, write_json, write_text
from clipbio.templates import template_environment

__all__ = ["audit_table", "write_audit"]

_COLUMNS = ("", "splits", "shared", "distinct", "specimens of the first", "of the second", "for example")


def audit_table(audit: Audit, title: str) -> Table:
    """Return what splits share as a table for the console, leaks first, without examples."""
    table = Table(*_COLUMNS[:-1], title=title, title_justify="left")
    for overlap in audit.overlaps:
        table.add_row(*(Text(cell) for cell in _cells(overlap)[:-1]), style="bold" if overlap.leak else "dim")
    return table


def write_audit(audit: Audit, folder: Path, title: str) -> Path:
    """Write `leakage.json`, `leakage.md` and `leakage.html` into a folder; return the path of the page."""
    write_json(folder / "leakage.json", audit.to_dict())
    write_text(folder / "leakage.md", _markdown(audit, title))
    page = folder / "leakage.html"
    template = template_environment(Path(__file__).parent / "templates").get_template("leakage.html.j2")
    write_text(page, template.render(title=title, audit=audit, kinds=KINDS, verdict=_verdict(audit)))
    return page


def _verdict(audit: Audit) -> str:
    blind = f" {audit.blind[0].upper()}{audit.blind[1:]}." if audit.blind else ""
    if not audit.leaks:
        return f"No leaks in {audit.pairs} pairs of splits.{blind}"
    return f"{len(audit.leaks)} leaks in {audit.pairs} pairs of splits: results on these splits are too good.{blind}"


def _cells(overlap: Overlap) -> tuple[str, ...]:
    return (
        "leak" if overlap.leak else "told",
        f"{overlap.first}, {overlap.second}",
        KINDS[overlap.kind],
        f"{overlap.values:,}",
        f"{overlap.first_specimens:,}",
        f"{overlap.second_specimens:,}",
        " and ".join(overlap.examples[0]),
    )


def _markdown(audit: Audit, title: str) -> str:
    sizes = "; ".join(f"{plain_text(name)}: {count:,} specimens" for name, count in audit.specimens.items())
    lines = [f"# {plain_text(title)}", "", plain_text(_verdict(audit)), "", sizes, ""]
    if audit.overlaps:
        lines += [f"| {' | '.join(_COLUMNS)} |", "|---|---|---|--:|--:|--:|---|"]
        lines += [f"| {' | '.join(map(plain_text, _cells(overlap)))} |" for overlap in audit.overlaps]
        lines.append("")
    return "\n".join(lines)
