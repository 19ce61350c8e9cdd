"""The page of a leaderboard: one self-contained HTML file, and the same as Markdown with its pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbio.evaluation.disagreements import disagreements
from clipbio.evaluation.leaderboard import Leaderboard
from clipbio.evaluation.leaderboard_console import interval_text, p_text, points, published_text, ranked
from clipbio.evaluation.leaderboard_plot import dot_plot
from clipbio.evaluation.pictures import Album, Picture, Thumbnail
from clipbio.evaluation.table import amount, escape_markdown, label, percent, span, species_span
from clipbio.files import write_text
from clipbio.templates import template_environment

__all__ = ["write_page"]

logger = logging.getLogger(__name__)

_TEMPLATES = Path(__file__).parent / "templates"
_PLOTS, _COLUMNS = 24, 5


@dataclass(frozen=True)
class Row:
    """One run in one figure, as text."""

    run: str
    best: bool
    odd: str
    value: str
    interval: str
    species: str
    n: int | None
    difference: str
    difference_interval: str
    difference_species: str
    p: str
    p_species: str
    tied: bool
    published: str
    sources: str


def write_page(folder: Path, board: Leaderboard, *, title: str, thumbnail: Thumbnail | None, pictures: int) -> Path:
    """Write `leaderboard.html`, `leaderboard.md` and `report_files/`, and return the path of the page.

    Args:
        folder: Where they are written.
        board: The runs.
        title: The heading.
        thumbnail: Image bytes by specimen id; None where the data are not to be found.
        pictures: Specimens shown of each side where two runs disagree.
    """
    album = Album(thumbnail)
    context: dict[str, Any] = {
        "title": title,
        "board": board,
        # Many figures of few runs stand below each other.
        "turned": len(board.keys) > _COLUMNS >= len(board.runs),
        "heads": [_head(key) for key in board.keys],
        "figures": {key: {name: _row(board, key, name) for name in ranked(board, key)} for key in board.keys},
        "plots": {key: _plot(board, key, album) for key in board.keys[:_PLOTS]},
        "without_plots": len(board.keys[_PLOTS:]),
        "sides": disagreements(board, album, limit=pictures),
        "measured": {run.name: _measured(run.identity) for run in board.runs},
    }
    folder.mkdir(parents=True, exist_ok=True)
    album.save(folder)
    page = folder / "leaderboard.html"
    for name in (page.name, "leaderboard.md"):
        environment = template_environment(_TEMPLATES, autoescape=name == page.name)
        environment.filters |= {"label": label, "md": escape_markdown}
        write_text(folder / name, environment.get_template(f"{name}.j2").render(context))
    logger.info("leaderboard written to %s", page)
    return page


def _head(key: str) -> Sequence[str]:
    """Return what stands above a column: task, split and variant, metric."""
    task, split, variant, metric = key.split("/", 3)
    return label(task), f"{split}, {label(variant)}", label(metric)


def _plot(board: Leaderboard, key: str, album: Album) -> Picture:
    return album.plot(f"dots-{key}", dot_plot(board, key), f"{key} of each run with its intervals")


def _row(board: Leaderboard, key: str, name: str) -> Row:
    figure, pair, values = board.figure(key, name), board.pair(key, name), board.published.get((key, name), ())
    assert figure is not None
    return Row(
        run=name,
        best=board.is_best(key, name),
        odd=board.odd.get((key, name), ""),
        value=amount(figure, figure.value),
        interval="" if figure.low is None else span(figure),
        species=species_span(figure),
        n=figure.n,
        difference="reference"
        if name == board.reference(key)
        else ""
        if pair is None
        else points(figure, pair.difference),
        difference_interval="" if pair is None else interval_text(figure, pair),
        difference_species="" if pair is None else interval_text(figure, pair, species=True),
        p="" if pair is None else p_text(pair.p),
        p_species="" if pair is None else p_text(pair.p_species),
        tied=board.is_tied(key, name),
        published=published_text(values, figure.value),
        sources="; ".join(f"{percent(one.value)}: {one.source} ({one.certainty})" for one in values),
    )


def _measured(identity: Mapping[str, Any]) -> dict[str, str]:
    """Return model, hashes, device and version of a run, a dash for what it does not tell."""
    model, data, versions = (identity.get(name) or {} for name in ("model", "data", "versions"))
    pretrained = model.get("checkpoint") or model.get("pretrained")
    return {
        "model": " ".join(str(one) for one in (model.get("name"), pretrained) if one) or "–",
        "weights": str(model.get("weights", "–"))[:12],
        "data": " ".join(str(one)[:16] for one in (data.get("root"), data.get("manifest")) if one) or "–",
        "device": str(identity.get("device", "–")),
        "version": str(versions.get("clipbio", "–")),
    }
