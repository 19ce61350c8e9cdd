import io

from rich.console import Console

from clipbio.evaluation.console import console_table
from clipbio.evaluation.figures import Figure, flatten, parse
from clipbio.evaluation.matrix import matrix_sections
from clipbio.evaluation.table import cell, escape_markdown, result_tables, side_by_side


def metrics_of(top1: float, *, split: str = "unseen") -> dict[str, float]:
    return flatten(
        [
            Figure("zero_shot", split, "mean", "top1", top1, top1 - 0.1, top1 + 0.1, 40, 0.1),
            Figure("zero_shot", split, "common_permuted", "top1", 0.1, 0.05, 0.15, 40, 0.1),
            Figure("zero_shot", split, "common_permuted", "permutations", 1000),
            Figure("zero_shot", split, "common", "top5", 0.9, 0.8, 1.0, 40, 0.5),
            Figure("zero_shot", split, "common", "top1", top1, top1 - 0.1, top1 + 0.1, 40, 0.1),
            Figure("zero_shot", split, "common", "fallbacks", 3),
        ]
    )


def test_controls_become_columns_and_the_mean_comes_last():
    (table,) = result_tables(metrics_of(0.5))
    assert list(table.rows) == ["common", "mean"]
    assert table.metrics == ["top1", "top5", "top1_permuted", "fallbacks"]
    assert table.rows["common"]["top1_permuted"].value == 0.1
    assert table.chance("top1") == 0.1
    assert table.n("common") == 40


def test_depths_are_sorted_as_numbers():
    figures = [Figure("retrieval", "test", "text_to_image", f"recall@{k}", 0.5, n=4, chance=0.1) for k in (10, 1, 5)]
    (table,) = result_tables(dict(sorted(flatten(figures).items())))
    assert table.metrics == ["recall@1", "recall@5", "recall@10"]


def test_chance_that_differs_between_rows_is_not_one_number():
    figures = [
        Figure("retrieval", "test", way, "mAP", 0.5, n=4, chance=chance) for way, chance in (("a", 0.1), ("b", 0.2))
    ]
    assert result_tables(flatten(figures))[0].chance("mAP") is None


def test_console_table_shows_values_with_intervals_on_80_columns():
    console = Console(width=80, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(console_table(metrics_of(0.5) | {"train/loss": 1.0}))
    text = capture.get()
    assert "50.0 (40.0–60.0)" in text
    assert "…" not in text
    assert "train/loss" not in text


def shown(figures):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(console_table(flatten(figures)))
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_splits_with_metrics_of_their_own_show_them_and_parameters_have_no_line():
    figures = [
        Figure("barcode", "test", "kmers_probe", "species/micro", 0.39, 0.33, 0.45, 600, 0.003),
        Figure("barcode", "test", "kmers_probe", "species/macro", 0.4, 0.34, 0.46, 320, 0.003),
        Figure("barcode", "unseen", "barcodes", "in_keys", 0.01),
        Figure("barcode", "unseen", "embedding_minus_kmers_1nn", "genus/micro", -0.03, -0.08, -0.01, 358),
        Figure("bzsl", "test", "image", "macro_top1", 0.5, 0.45, 0.55, 312, 0.003),
        Figure("bzsl", "test+unseen", "image", "harmonic_mean", 0.24, 0.16, 0.32, 359),
        Figure("bzsl", "test+unseen", "settings", "k0", 0.1),
    ]
    lines = shown(figures)
    assert "split species micro genus micro chance" in lines
    assert "test kmers probe 39.0 (33.0–45.0) 0.3" in lines
    assert "unseen embedding − kmers 1nn -3.0 (-8.0 to -1.0)" in lines
    assert "split macro top-1 harmonic mean chance n" in lines
    assert "test+unseen image 24.0 (16.0–32.0) 359" in lines
    assert not any("barcodes" in line or "settings" in line for line in lines)


def test_a_column_of_chance_stands_where_any_is_known():
    figures = [Figure("two_stage", "test", "nearest", "species/micro@1", 0.5, 0.4, 0.6, 20)]
    assert "split species micro@1 n" in shown(figures)


def test_plain_numbers_are_short_and_counts_are_whole():
    values = {"temperature": 0.00171763, "keys": 12345678.0, "distance": 3.84352}
    row = result_tables(flatten(Figure("a", "b", "c", name, value) for name, value in values.items()))[0].rows["c"]
    assert {name: cell(row[name]) for name in values} == {
        "temperature": "0.00172", "keys": "12345678", "distance": "3.84"
    }  # fmt: skip


def cross_figures(split, suffixes):
    for suffix in suffixes:
        path = ("open_set", split, f"fused_to_fused{suffix}")
        for metric in ("top1", "auroc", "fpr95", "oscr", "balanced", "known_rejected"):
            yield Figure(*path, metric, 0.979, 0.95, 0.99, 12345, 0.5 if metric == "auroc" else None)
        path = ("taxon_consistent", split, f"fused_to_fused{suffix}")
        for metric in ("species/top1", "genus/top1", "family/top1", "order/top1", "consistent"):
            yield Figure(*path, metric, 0.979, 0.95, 0.99, 12345, 0.1)


def test_wide_tables_have_fewer_columns_on_80_and_nothing_is_cut():
    metrics = flatten(cross_figures("val+val_unseen", ("", "_margin", "_nearest")))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(console_table(metrics))
    text = console.export_text()
    assert "…" not in text
    open_set, tree = (line.split() for line in text.splitlines() if "split" in line)
    assert open_set[1:4] == ["AUROC", "FPR95", "balanced"]
    assert tree[1:4] == ["species", "top-1", "consistent"]
    for row in ("fused to fused margin", "fused to fused nearest"):
        assert [line.count("97.9") for line in text.splitlines() if row in line] == [3, 2]
    # Names that no layout has room for are wrapped.
    long = flatten(cross_figures("a_split_" * 6, ("_margin",)))
    console.print(console_table(long))
    assert "…" not in console.export_text()


def test_console_table_of_nothing_is_empty():
    assert list(console_table({}).renderables) == []


def test_markup_in_names_is_shown_as_it_is():
    console = Console(width=80)
    with console.capture() as capture:
        console.print(console_table({"task/[red]x/v/top1": 0.5, "task/[red]x/v/top1/n": 2}))
    assert "[red]x" in capture.get()


def named(value):
    """Figures by key, of two text types."""
    other = {key.replace("/common/", "/taxonomic/"): number for key, number in metrics_of(value).items()}
    return {one.key: one for one in parse(metrics_of(value) | other)}


def test_matrix_of_regimes_by_text_types():
    text = matrix_sections([("common", named(0.25)), ("mixed", named(0.5)), ("empty", {})])
    assert "| trained on | common | taxonomic | mean |" in text
    assert "| common | 25.0 (15.0–35.0) | 25.0 (15.0–35.0) | 25.0 (15.0–35.0) |" in text
    assert "| mixed | **50.0** (40.0–60.0) |" in text
    assert "empty" not in text
    assert "±" not in text
    assert "Chance 10.0 %, n = 40" in text


def test_a_single_text_type_makes_no_matrix():
    assert matrix_sections([("common", {one.key: one for one in parse(metrics_of(0.25))})]) == ""


def test_repeated_runs_are_averaged_with_their_deviation():
    text = matrix_sections([("mixed", named(0.25)), ("mixed", named(0.75))])
    assert "**50.0** ± 35.4 (40.0–60.0)" in text


def test_markdown_shows_hostile_text_as_it_is():
    assert escape_markdown("a|b\n<img src=x> [x](y) *z*") == r"a\|b &lt;img src=x&gt; \[x\](y) \*z\*"


def test_the_console_shows_the_first_answer_of_each_rank_the_deepest_first():
    path = "barcode/test/one_nearest"
    metrics = {
        f"{path}/{rank}/{kind}@{k}{more}": number
        for rank in ("family", "genus", "species")
        for kind in ("macro", "micro")
        for k in (1, 5)
        for more, number in (("", 0.5), ("/n", 10))
    }
    table = result_tables(metrics)[0]
    assert table.metrics[:4] == ["species/micro@1", "species/micro@5", "species/macro@1", "species/macro@5"]
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(console_table(metrics))
    heading = next(line for line in console.export_text().splitlines() if "species" in line)
    assert " ".join(heading.split()) == "split species micro@1 genus micro@1 family micro@1 n"


def test_published_forms_stand_below_our_own():
    figures = [
        Figure(task, "test", variant, metric, value, 0.1, 0.9, 40, 0.1)
        for task, variant, metric, value in [
            ("zero_shot", "common", "top1", 0.5),
            ("zero_shot", "taxonomic", "top1", 0.6),
            ("zero_shot", "mean", "top1", 0.55),
            ("zero_shot_bioclip_v1", "common", "top1", 0.45),
            ("zero_shot_bioclip_v1", "common", "top3", 0.75),
            ("zero_shot_bioclip_v1", "label", "top1", 0.35),
            ("zero_shot_bioclip_v2", "common", "top1", 0.44),
            ("few_shot_bioclip_v2", "5_shot", "mean", 0.4),
        ]
    ]
    metrics = flatten(figures)
    alone, both = side_by_side(result_tables(metrics))
    assert (alone.task, list(alone.rows)) == ("few_shot_bioclip_v2", ["5_shot"])
    assert list(both.rows) == [
        "common",
        "common, as bioclip_v1",
        "common, as bioclip_v2",
        "taxonomic",
        "label, as bioclip_v1",
        "mean",
    ]
    assert both.rows["common, as bioclip_v1"]["top3"].value == 0.75
    lines = shown(figures)
    assert not any("Zero shot bioclip" in line for line in lines)
    assert any("as bioclip v1" in line and "45.0" in line for line in lines)


def test_what_is_measured_part_by_part_has_a_row_for_each_part():
    metrics = {
        "grounding/unseen/conv/leaf/mass": 0.3,
        "grounding/unseen/conv/leaf/mass/n": 5,
        "grounding/unseen/conv/leaf/pointing": 0.5,
        "grounding/unseen/conv/leaf/pointing/n": 5,
        "grounding/unseen/conv/leaf/plain/pointing": 0.25,
        "grounding/unseen/conv/leaf/plain/pointing/n": 5,
        "grounding/unseen/centre/stem/pointing": 0.1,
        "grounding/unseen/centre/stem/pointing/n": 4,
    }
    (table,) = result_tables(metrics)
    assert list(table.rows) == ["centre/stem", "conv/leaf"]
    assert list(table.rows["conv/leaf"]) == ["pointing", "mass", "plain/pointing"]
    assert table.rows["conv/leaf"]["plain/pointing"].value == 0.25
    assert table.n("centre/stem") == 4
