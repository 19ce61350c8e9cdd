import io
import re

import numpy as np
from PIL import Image

from clipbio.evaluation import traits_panel
from clipbio.evaluation.benchmark import Result
from clipbio.evaluation.newt import NewtDetail, Task
from clipbio.evaluation.report import write_report
from clipbio.evaluation.traits import TraitsDetail
from clipbio.evaluation.traits_panel import ranked_plot

NONE = np.zeros(0, np.int64)


def details():
    tasks = tuple(Task(f"task $_{row}", f"cluster {row % 3}", NONE, NONE, NONE, NONE) for row in range(40))
    accuracy = np.linspace(0.4, 1, 40)
    names = tuple(f"trait {row}" for row in range(85))
    shares = np.linspace(0, 0.9, 85)
    return NewtDetail("newt", "test", tasks, accuracy, np.full(40, 0.5)), TraitsDetail(
        "traits", "test", names, shares, 1 - shares, shares
    )


def test_the_report_shows_tasks_and_traits(tmp_path):
    metrics = {"newt/test/all/accuracy": 0.7, "newt/test/all/accuracy/n": 40}
    result = Result(metrics, details())
    page = write_report(tmp_path, title="A report", summary={}, metrics=metrics, results=[result])
    html = page.read_text(encoding="utf-8")
    for caption in ("every task by cluster", "the weakest tasks", "average precision of each trait"):
        assert len(re.findall(f"<figcaption>(newt|traits), test: {caption}</figcaption>", html)) == 1
    for address in re.findall(r"!\[.*?\]\((.*?)\)", (tmp_path / "report.md").read_text(encoding="utf-8")):
        assert (tmp_path / address).stat().st_size > 0


def test_the_highest_bar_stands_first_with_its_name_and_chance(monkeypatch):
    canvas, axes = traits_panel.new_axes(4, 3)
    monkeypatch.setattr(traits_panel, "new_axes", lambda *size: (canvas, axes))
    content = ranked_plot(("a", "b", "c"), np.array([0.2, 0.9, 0.5]), np.array([0.1, 0.3, 0.2]), x_label="x")
    assert [one.get_text() for one in axes.get_yticklabels()] == ["b", "c", "a"]
    assert [round(bar.get_width()) for bar in axes.patches] == [90, 50, 20]
    assert axes.lines[0].get_xdata().round().tolist() == [30, 20, 10]
    assert Image.open(io.BytesIO(content)).size[0] > 300


def test_only_the_weakest_tasks_are_named(monkeypatch):
    asked = []
    plot = traits_panel.ranked_plot
    monkeypatch.setattr(
        traits_panel, "ranked_plot", lambda names, *rest, **more: asked.append(names) or plot(names, *rest, **more)
    )
    traits_panel.newt_panels(details()[:1], traits_panel.Album())
    assert asked == [tuple(f"task $_{row}" for row in range(25))]
