"""The report of a run: one self-contained HTML page, and the same as Markdown with its pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment

from clipbio.evaluation.benchmark import Result
from clipbio.evaluation.key_query_table import grids, is_key_query
from clipbio.evaluation.panels import panels
from clipbio.evaluation.pictures import Album, Picture, Thumbnail
from clipbio.evaluation.plots import variant_plot
from clipbio.evaluation.published_table import published_rows
from clipbio.evaluation.retrieval import RetrievalDetail
from clipbio.evaluation.sections import TypeSection, curves, query_section, shown_details, type_section
from clipbio.evaluation.table import (
    ResultTable,
    cell,
    escape_markdown,
    label,
    percent,
    result_tables,
    side_by_side,
    span,
)
from clipbio.evaluation.table_blocks import blocks
from clipbio.files import write_text
from clipbio.templates import template_environment

__all__ = ["write_report"]

logger = logging.getLogger(__name__)

_TEMPLATES = Path(__file__).parent / "templates"
_TASKS = {"zero_shot": "Zero-shot classification", "retrieval": "Retrieval"}


@dataclass(frozen=True)
class SplitSection:
    """The zero-shot results of one split in pictures."""

    split: str
    bars: Picture | None
    types: list[TypeSection]


def write_report(
    run_dir: Path,
    *,
    title: str,
    summary: Mapping[str, Mapping[str, object]],
    metrics: Mapping[str, float],
    history: Sequence[Mapping[str, object]] = (),
    results: Sequence[Result] = (),
    thumbnail: Thumbnail | None = None,
    expected: str | None = None,
) -> Path:
    """Write `report.html`, `report.md` and `report_files/` into the run folder and return the path of the page.

    Args:
        run_dir: the run folder; made if it is missing.
        title: the heading.
        summary: what was run, as groups of labelled values: settings, data, counts of what was skipped.
        metrics: the flat numbers of metrics.json.
        history: the lines of metrics.jsonl, each with `step`.
        results: what the benchmarks returned; their details give plots and examples.
        thumbnail: image bytes by specimen id, for the examples.
        expected: name under which figures of the model were published, see `expected.expected_name`.
    """
    album = Album(thumbnail)
    tables = side_by_side(result_tables(metrics))
    details = [detail for result in results for detail in result.details]
    context = {
        "title": title,
        "summary": {heading: dict(values) for heading, values in summary.items() if values},
        "tasks": _by_task([table for table in tables if not is_key_query(table)]),
        "over_species": any(key.endswith("/low_species") for key in metrics),
        "with_texts": any(table.task in ("zero_shot", "retrieval") for table in tables),
        "published": published_rows(metrics, expected),
        "grids": grids(tables),
        "curves": curves(history, album),
        "sections": _split_sections(details, tables, album),
        "retrievals": [query_section(one, album) for one in details if isinstance(one, RetrievalDetail)],
        "panels": panels(details, album),
        "others": {key: number for key, number in sorted(metrics.items()) if key.count("/") < 3},
    }
    run_dir.mkdir(parents=True, exist_ok=True)
    album.save(run_dir)
    page = run_dir / "report.html"
    write_text(page, _environment(autoescape=True).get_template("report.html.j2").render(context))
    text = _environment(autoescape=False).get_template("report.md.j2").render(context)
    write_text(run_dir / "report.md", text)
    logger.info("report written to %s", page)
    return page


def _environment(*, autoescape: bool) -> Environment:
    environment = template_environment(_TEMPLATES, autoescape=autoescape)
    environment.filters |= {"percent": percent, "label": label, "cell": cell, "span": span, "value": _value}
    environment.filters |= {"md": escape_markdown, "blocks": blocks}
    return environment


def _value(value: object) -> str:
    """Return a setting as a reader writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return "–" if value is None or value == "" else str(value)


def _by_task(tables: Sequence[ResultTable]) -> dict[str, list[ResultTable]]:
    """Group the tables by task under readable headings, zero-shot first."""
    tasks: dict[str, list[ResultTable]] = {}
    for table in sorted(tables, key=lambda one: (one.task != "zero_shot", one.task)):
        tasks.setdefault(_TASKS.get(table.task, label(table.task).capitalize()), []).append(table)
    return tasks


def _split_sections(details: Sequence[object], tables: Sequence[ResultTable], album: Album) -> list[SplitSection]:
    shown = shown_details(details)
    sections = []
    for split in dict.fromkeys(detail.split for detail in shown):
        rows = next((one.rows for one in tables if (one.task, one.split) == ("zero_shot", split)), {})
        bars = None
        if any("top1" in row for row in rows.values()):
            bars = album.plot(f"top1-{split}", variant_plot(rows), f"Zero-shot top-1 by text type on {split}")
        types = [type_section(detail, album) for detail in shown if detail.split == split]
        sections.append(SplitSection(split, bars, types))
    return sections
