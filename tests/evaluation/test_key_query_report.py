"""What a reader sees of the key-query benchmark: the console, the page, the plot."""

import io

import numpy as np
import pytest
import torch
from key_query_reference import encode, random_specimens, split_data
from rich.console import Console

from clipbio.evaluation.console import console_table
from clipbio.evaluation.key_query import KeyQuery, KeyQueryDetail
from clipbio.evaluation.key_query_plot import deepest_right
from clipbio.evaluation.key_query_table import grids
from clipbio.evaluation.report import write_report
from clipbio.evaluation.table import result_tables


@pytest.fixture(scope="module")
def result():
    generator = np.random.default_rng(0)
    sizes = {"train": 30, "key_unseen": 10, "test": 20, "unseen": 20, "val": 5}
    data = {name: split_data(name, random_specimens(generator, name, size, 50)) for name, size in sizes.items()}
    one = KeyQuery(queries=["image", "fused"], keys=["image", "dna"], bootstrap=50)
    return one.run_across(data, ["test", "unseen", "val"], encode)


def test_the_page_shows_seen_unseen_and_harmonic_mean_in_one_cell(result, tmp_path):
    page = write_report(tmp_path, title="keys", summary={}, metrics=result.metrics, results=[result]).read_text("utf-8")
    keys = [f"key_query/{split}/fused_to_dna/genus/macro@1" for split in ("test", "unseen", "test+unseen")]
    cell = " / ".join(f"{100 * result.metrics[key]:.1f}" for key in keys)
    low, high = (100 * result.metrics[f"{keys[2]}/{end}"] for end in ("low", "high"))
    assert f'<td>{cell}<small class="below">{low:.1f}–{high:.1f}</small></td>' in page
    assert f"{cell} ({low:.1f}–{high:.1f})" in (tmp_path / "report.md").read_text("utf-8")
    assert page.count("deepest rank that is right") == 2 * 3
    assert page.count('<div class="plots wide">') == 1


def test_splits_without_a_partner_stand_alone_and_counts_are_told(result):
    found = {grid.title: grid for grid in grids(result_tables(result.metrics))}
    assert "Key query: val, macro top-1, %" in found
    counts = dict(found["Key query: test, counts"].rows)
    expected = [
        f"{result.metrics[f'key_query/test/image_to_dna/{key}']:.0f}" for key in ("queries", "without_image", "keys")
    ]
    assert [cell.text for cell in counts["image to DNA"][:3]] == expected
    assert "Key query: test+unseen, counts" not in found


def test_the_console_shows_the_deepest_rank_with_harmonic_means_last(result):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(console_table(result.metrics))
    shown = console.export_text()
    assert "Key query: species macro@1" in shown
    heading = next(line for line in shown.splitlines() if "test+unseen" in line)
    assert heading.split() == ["test", "unseen", "val", "test+unseen", "chance"]
    line = next(line for line in shown.splitlines() if "image to DNA" in line)
    chance = result.metrics["key_query/test+unseen/image_to_dna/species/macro@1/chance"]
    assert line.split()[-1] == f"{100 * chance:.1f}"
    joined = result.metrics["key_query/test+unseen/fused_to_image/species/macro@1"]
    assert f" {100 * joined:.1f} (" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_answers_are_counted_at_the_deepest_rank_that_is_right():
    correct = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]]).bool()
    detail = KeyQueryDetail(
        "key_query", "test", "image_to_dna", ("order", "genus", "species"), correct, torch.arange(len(correct))
    )
    assert deepest_right(detail).tolist() == pytest.approx([0.2, 0.4, 0.2, 0.2])
