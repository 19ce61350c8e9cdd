import io
import re

import numpy as np
from key_worlds import random_splits
from PIL import Image

from clipbio.evaluation import line_plots
from clipbio.evaluation.line_plots import Line, line_plot
from clipbio.evaluation.open_set import OpenSet
from clipbio.evaluation.report import write_report

SIZES = {"train": (60, range(10)), "val": (20, range(10)), "test": (30, range(10)), "unseen": (30, range(10, 16))}


def test_the_report_shows_the_curves_of_open_set(tmp_path):
    result = OpenSet(["image_to_image", "image_to_dna"], ["nearest", "margin"], bootstrap=0).run_across(
        random_splits(1, SIZES), ("test",), lambda texts: None
    )
    page = write_report(tmp_path, title="A report", summary={}, metrics=result.metrics, results=[result])
    html, text = page.read_text(encoding="utf-8"), (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "Open set: test+unseen" in html
    # One plot of each kind per score; what the threshold was chosen on is said.
    assert len(re.findall(r"<figcaption>(?:ROC|OSCR), score: (?:nearest|margin)</figcaption>", html)) == 4
    assert "accepts 95 % of the validation queries" in html
    for address in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (tmp_path / address).stat().st_size > 0


def test_long_curves_are_thinned_without_losing_their_ends():
    steps = np.linspace(0, 1, 10_000)
    x, y = Line("a", steps, steps**2).thinned()
    assert len(x) < 1000
    assert (x[0], x[-1], y[-1]) == (0, 1, 1)
    plot = line_plot([Line("a $\\frac{", steps, steps, (0.5, 0.5))], x_label="x", y_label="y", diagonal=True)
    assert Image.open(io.BytesIO(plot)).size[0] > 300


def test_the_names_of_lines_stand_where_no_line_is_and_a_line_along_zero_is_seen(monkeypatch):
    canvas, axes = line_plots.new_axes(3.7, 3.2)
    monkeypatch.setattr(line_plots, "new_axes", lambda *size: (canvas, axes))
    steps = np.linspace(0, 1, 100)
    line_plot([Line("high", steps, 0 * steps + 0.9), Line("zero", steps, 0 * steps)], x_label="x", y_label="y")
    box = axes.get_legend().get_window_extent().transformed(axes.transData.inverted())
    assert axes.get_ylim()[0] < 0 < box.y0 < box.y1 < 90
