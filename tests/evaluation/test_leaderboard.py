import csv
import io
import json
import re

import pytest
from PIL import Image
from rich.console import Console
from run_folders import KEY, write_run

from clipbio.evaluation.comparison import chosen_keys, compared
from clipbio.evaluation.leaderboard_console import leaderboard_table
from clipbio.evaluation.leaderboard_files import latex, write_files
from clipbio.evaluation.leaderboard_page import write_page
from clipbio.evaluation.run_results import read_runs

RARE = "zero_shot/rare_species/taxonomic_common/top1"
HOSTILE = "50%_of_$a&b <script>x {y}"
BIOCLIP = {"name": "hf-hub:imageomics/bioclip", "pretrained": None, "checkpoint": None, "weights": "0123456789abcdef"}


def picture(specimen_id):
    del specimen_id
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "green").save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def board(tmp_path):
    values = {
        "good": {KEY: [1.0] * 50 + [0.0] * 10, RARE: [1.0] * 23 + [0.0] * 37},
        HOSTILE: {KEY: [1.0] * 49 + [0.0] * 11, RARE: [1.0] * 12 + [0.0] * 48},
        "poor": {KEY: [1.0] * 20 + [0.0] * 40},
    }
    folders = [
        write_run(tmp_path / name, one, model=BIOCLIP if name == "good" else None) for name, one in values.items()
    ]
    runs = read_runs(folders)
    return compared(runs, chosen_keys(runs, None))


def test_the_table_fits_a_terminal(board):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(leaderboard_table(board))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    lines = [line.strip() for line in text[text.index(KEY) :].splitlines()]
    good = next(line for line in lines if line.startswith("good"))
    assert "83.3" in good
    assert "reference" in good
    poor = next(line for line in lines if line.startswith("poor"))
    assert "−50.0" in poor
    assert "<0.001" in poor
    # 23 of 60; two papers, and a table of text types that has the figure of the first.
    assert "38.0 / 37.1 ✓" in text


def test_csv_and_json_hold_every_figure_and_pair(board, tmp_path):
    write_files(tmp_path / "out", board)
    lines = list(csv.DictReader((tmp_path / "out" / "leaderboard.csv").read_text().splitlines()))
    assert [(line["figure"], line["run"]) for line in lines] == [
        (RARE, "good"), (RARE, HOSTILE), (KEY, "good"), (KEY, HOSTILE), (KEY, "poor"),
    ]  # fmt: skip
    assert float(lines[4]["difference"]) == pytest.approx(-0.5)
    assert (lines[4]["reference"], lines[4]["test"]) == ("good", "McNemar")
    assert (lines[0]["published"], lines[0]["agrees"]) == ("0.38 | 0.38 | 0.371", "True")
    content = json.loads((tmp_path / "out" / "leaderboard.json").read_text(), parse_constant=pytest.fail)
    assert len(content["pairs"]) == 3 + 1
    assert content["figures"][2]["value"] == pytest.approx(50 / 60)


def test_latex_is_escaped_and_marked(board):
    text = latex(board)
    rows = {line.split(" & ")[0]: line for line in text.splitlines() if line.endswith(r"\\")}
    hostile = r"50\%\_of\_\$a\&b <script>x \{y\}"
    assert rows["good"] == r"good & \textbf{38.3} & \textbf{83.3} \\"
    assert rows[hostile] == rf"{hostile} & 20.0 & 81.7$^{{\dagger}}$ \\"
    assert rows["poor"] == r"poor & -- & 33.3 \\"
    assert text.startswith("\\begin{tabular}{lrr}\n\\toprule")


def test_the_page_is_self_contained_and_shows_where_runs_disagree(board, tmp_path):
    page = write_page(tmp_path / "out", board, title="Leaderboard", thumbnail=picture, pictures=3)
    html, text = page.read_text(), (tmp_path / "out" / "leaderboard.md").read_text()
    assert "<script" not in html
    assert "<script" not in text
    assert all(one.startswith(("data:image/", "#")) for one in re.findall(r'(?:src|href)="([^"]*)"', html))
    assert f"good is right, {'50%_of_$a&amp;b &lt;script&gt;x {y}'} is wrong: 11 of {RARE}" in html
    assert "2311.18803" in html
    assert html.count('class="plot"') == 2
    for address in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (tmp_path / "out" / address).stat().st_size > 0
    assert "| **83.3** |" in text
    assert "What was measured" in text


def test_many_figures_of_few_runs_stand_below_each_other(tmp_path):
    values = {f"zero_shot/test/type{number}/top1": [1.0, 0.0] for number in range(6)}
    runs = read_runs([write_run(tmp_path / name, values) for name in ("one", "two")])
    board = compared(runs, chosen_keys(runs, None), resamples=10)
    html = write_page(tmp_path / "out", board, title="x", thumbnail=None, pictures=0).read_text()
    first = html[html.index("<table>") : html.index("</table>")]
    assert "<th>figure</th><th>one</th><th>two</th>" in first
    assert first.count('<th scope="row">zero_shot/test/type') == 6


def test_without_data_there_are_ids_and_no_pictures(board, tmp_path):
    page = write_page(tmp_path / "out", board, title="Leaderboard", thumbnail=None, pictures=2)
    assert '<div class="blank"></div>' in page.read_text()
    assert not list((tmp_path / "out" / "report_files").glob("*.jpg"))
    none = write_page(tmp_path / "none", board, title="Leaderboard", thumbnail=picture, pictures=0)
    assert "disagree" not in none.read_text()
