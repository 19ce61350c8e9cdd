"""A sweep as a table and as a plot, from figures made by hand."""

import csv
import io
import json
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from PIL import Image
from rich.console import Console

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.sweep import Point, Sweep, short, shown_value
from clipbio.evaluation.sweep_plot import sweep_plot
from clipbio.evaluation.sweep_table import sweep_table, write_sweep_tables

KEYS = tuple(f"zero_shot/{split}/mean/top1" for split in ("val", "test", "unseen"))
MIXTURES = ({"common": 1.0}, {"common": 0.5, "description": 0.5}, {"common": 0.25, "description": 0.75})


def point(name, value, varied, *, state="finished", variants=("mean",)):
    figures = {
        key.replace("/mean/", f"/{variant}/"): Figure(
            *key.replace("/mean/", f"/{variant}/").split("/"), value, value - 0.1, value + 0.1, 40, 0.1
        )
        for key in KEYS
        for variant in variants
    }
    remark = "" if state == "finished" else "step 3 of 9"
    return Point(name, state, remark, varied, value, figures if state == "finished" else {})


def sweep_of(*points):
    return Sweep(tuple(points), KEYS[0], False, KEYS)


def shown(sweep):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(sweep_table(sweep))
    return console.export_text()


def test_the_console_tells_points_figures_and_states_on_80_columns() -> None:
    text = shown(sweep_of(
        point("a", 0.5, {"lr": 0.001, "temperature": 0.07}),
        point("b", 0.4, {"lr": 0.00123456, "temperature": 0.07}, state="pruned"),
        Point("c", "failed", "RuntimeError: no", {"lr": 1.0, "temperature": 0.1}, None, {}),
    ))  # fmt: skip
    assert max(map(len, text.splitlines())) <= 80
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()[:1] in tuple("123")}
    assert "0.001" in rows["1"]
    assert "best" in rows["1"]
    assert rows["1"].count("50.0") == 3
    assert "0.001235" in rows["2"]
    assert rows["2"].count("40.0") == 1
    assert "pruned: step 3 of 9" in rows["2"]
    assert "failed: RuntimeError: no" in rows["3"]
    assert "zero_shot/val/mean/top1, the most first" in text


def test_the_best_is_finished_however_good_a_pruned_point_was() -> None:
    sweep = sweep_of(point("a", 0.9, {"lr": 1}, state="pruned"), point("b", 0.4, {"lr": 2}))
    assert sweep.best is not None
    assert sweep.best.name == "b"


def test_files_hold_every_point(tmp_path: Path) -> None:
    sweep = sweep_of(
        point("a", 0.5, {"text.weights": MIXTURES[1]}, variants=("mean", "common", "description")),
        point("b", 0.4, {"text.weights": MIXTURES[0]}, variants=("mean", "common", "description")),
    )
    page = write_sweep_tables(tmp_path, sweep, title="weights", picture="sweep.png")
    text = page.read_text()
    assert "| 1 | **common + description** | **50.0 (40.0–60.0)** |" in text
    assert "![The points of the sweep](sweep.png)" in text
    assert "| trained on | common | description | mean |" in text
    rows = list(csv.DictReader((tmp_path / "sweep.csv").open(encoding="utf-8")))
    assert [row["text.weights.common"] for row in rows] == ["0.5", "1.0"]
    assert rows[0]["zero_shot/unseen/mean/top1"] == "0.5"
    assert rows[0]["zero_shot/test/description/top1/low"] == "0.4"
    written = json.loads((tmp_path / "sweep.json").read_text())
    assert written["best"] == "a"
    assert written["points"][1]["varied"] == {"text.weights": {"common": 1.0}}


def test_names_are_as_short_as_they_can_be_told_apart() -> None:
    assert short(["optim.lr", "model.image.lr", "seed"]) == {
        "optim.lr": "optim.lr", "model.image.lr": "image.lr", "seed": "seed",
    }  # fmt: skip
    assert shown_value(MIXTURES[2]) == "25 % common, 75 % description"
    assert shown_value(MIXTURES[1]) == "common + description"


@pytest.mark.parametrize(
    "varied",
    [
        [{"lr": 1e-4}, {"lr": 1e-3}, {"lr": 1e-2}],
        [{"lr": lr, "t": t} for lr in (1, 2) for t in (0.1, 0.2)],
        [{"lr": 0.1, "t": 1.0}, {"lr": 0.2, "t": 3.0}, {"lr": 0.4, "t": 2.0}, {"lr": 0.5, "t": 7.0}],
        [{"text.weights": mixture} for mixture in MIXTURES],
        [{"loss": "infonce", "$a^": "b"}, {"loss": "sigmoid", "$a^": None}],
    ],
    ids=["line", "heat map", "plane", "mixtures", "rows"],
)
def test_each_kind_of_sweep_is_drawn_with_its_pruned_points(varied) -> None:
    points = [point(str(place), 0.9 - 0.1 * place, one) for place, one in enumerate(varied)]
    whole = sweep_plot(sweep_of(*points))
    assert whole is not None
    picture = Image.open(io.BytesIO(whole)).convert("L")
    assert picture.getextrema()[0] < 100
    pruned = point("last", 0.9 - 0.1 * (len(points) - 1), varied[-1], state="pruned")
    assert sweep_plot(sweep_of(*points[:-1], pruned)) != whole


def test_an_objective_that_is_no_share_is_told_as_it_is(tmp_path: Path) -> None:
    points = [Point(str(lr), "finished", "", {"lr": lr}, loss, point("", 0.5, {}).figures)
              for lr, loss in ((0.1, 0.25), (0.2, 1.5))]  # fmt: skip
    sweep = Sweep(tuple(points), "val/loss", True, ("val/loss", *KEYS))
    text = shown(sweep)
    assert "0.25" in text
    assert "1.50" in text
    assert "50.0" in text
    assert "%" not in text.split("Ordered")[0]
    assert "| 1 | **0.1** | **0.25** | **50.0 (40.0–60.0)** |" in (
        write_sweep_tables(tmp_path, sweep, title="losses", picture="").read_text()
    )
    assert dict(sweep.drawn) == {"val/loss": "val/loss"}
    assert sweep_plot(sweep) is not None


@pytest.mark.parametrize(("key", "name"), [("val/loss", "1.25"), (KEYS[0], "125.0")])
def test_values_on_a_heat_map_are_scaled_as_their_figure_is(key, name, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(Axes, "text", lambda self, x, y, text, **_: drawn.append(text))
    points = [Point(f"{lr}{t}", "finished", "", {"lr": lr, "t": t}, 1.25, {}) for lr in (1, 2) for t in (3, 4)]
    assert sweep_plot(Sweep(tuple(points), key, False, (key,))) is not None
    assert drawn == [name] * 4


def test_without_a_value_there_is_no_plot() -> None:
    assert sweep_plot(sweep_of(Point("a", "failed", "", {"lr": 1}, None, {}))) is None
