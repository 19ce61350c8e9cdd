import re

from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.published_table import published_rows
from clipbio.evaluation.report import write_report
from clipbio.evaluation.table import result_tables
from clipbio.evaluation.table_blocks import blocks


def figure(variant, metric, value=0.5, **options):
    path = ("hierarchy", "test", variant)
    return Figure.measured(path, metric, value=value, interval=(0.4, 0.6), n=1200, **options)


def only_table(figures):
    (table,) = result_tables(flatten(figures))
    return table


def test_a_narrow_table_is_one_block_with_chance_below():
    (block,) = blocks(
        only_table([figure(name, "top1", chance=0.1, species_interval=(0.3, 0.7)) for name in ("a", "mean")])
    )
    assert block.headings == ("top-1", "n")
    assert [(line.name, line.kind) for line in block.lines] == [("a", ""), ("mean", "mean"), ("chance", "chance")]
    first = block.lines[0].cells
    assert (first[0].text, first[0].beside, first[0].below) == ("50.0", "40.0–60.0", ("species 30.0–70.0",))
    assert first[1].text == "1 200"
    assert block.lines[-1].cells[0].text == "10.0"


def test_a_wide_table_is_cut_by_rows_and_turned():
    many = [f"metric{number}" for number in range(9)]
    figures = [figure(name, "top1") for name in ("species", "genus")] + [figure("all", one, chance=0.2) for one in many]
    ranks, everything = blocks(only_table([*figures, figure("genus", "macro_top1")]))
    assert ranks.headings == ("top-1", "macro top-1", "n")
    assert [line.name for line in ranks.lines] == ["species", "genus"]
    assert everything.headings == ("all", "95 %", "over species", "chance", "n")
    assert [line.name for line in everything.lines] == many
    assert [cell.text for cell in everything.lines[0].cells] == ["50.0", "40.0–60.0", "", "20.0", "1 200"]


def test_several_wide_rows_have_their_variants_across():
    many = [f"metric{number}" for number in range(9)]
    (block,) = blocks(only_table([figure(name, one, chance=0.2) for name in ("a", "b") for one in many]))
    assert block.headings == ("a", "b")
    assert [line.name for line in block.lines] == [*many, "n"]
    assert block.lines[0].cells[1].below == ("chance 20.0",)


def test_published_figures_stand_beside_ours(tmp_path):
    key = "zero_shot/plantnet/label/top1"
    metrics = flatten(
        [Figure.measured(("zero_shot", "plantnet", "label"), "top1", value=0.885, interval=(0.8, 0.9), n=1000)]
    )
    rows = published_rows(metrics, "hf-hub:imageomics/bioclip")
    assert [(row.published, row.difference, row.agrees) for row in rows] == [
        ("91.4", "−2.9", False),
        ("88.2", "+0.3", True),
    ]
    assert rows[0].ours == "88.5 (80.0–90.0)"
    assert published_rows(metrics, None) == []
    page = write_report(tmp_path, title="x", summary={}, metrics=metrics, expected="hf-hub:imageomics/bioclip")
    html, text = page.read_text(), (tmp_path / "report.md").read_text()
    assert re.search(rf"{key}<small.*?2505\.23883", html)
    assert html.count("✓</td>") == html.count("✗</td>") == 1
    assert "| +0.3 | 1.0 | ✓ |" in text
