"""Tables with held-out species, and figures of the search for them."""

import csv
from pathlib import Path

import pytest
from gardens import write_garden

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import herbarium_figures

    return herbarium_figures


@pytest.fixture
def hold_out(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import herbarium_tables

    return herbarium_tables.hold_out


def rows(table):
    with (table / "specimens.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_species_are_held_out_whole_and_pictures_are_links(hold_out, tmp_path):
    garden = write_garden(tmp_path / "garden", species=6, per_species=2, splits=("train", "val"))
    chosen = hold_out(garden, tmp_path / "one" / "table", 2, seed=0)
    made = rows(tmp_path / "one" / "table")
    assert len(set(chosen)) == 2
    for before, after in zip(rows(garden), made, strict=True):
        held_out = f"{before['genus']} {before['species']}" in chosen
        assert after == before | ({"split": "unseen"} if held_out else {})
    links = [path.name for path in (tmp_path / "one" / "table").iterdir() if path.is_symlink()]
    assert sorted(links) == ["descriptions.csv", "images"]
    assert (tmp_path / "one" / "table" / made[0]["image"]).is_file()
    again, others = (hold_out(garden, tmp_path / f"again{seed}", 2, seed=seed) for seed in (0, 3))
    assert again == chosen != others


def answers(study, values):
    """Give each ranking its values, of two queries per species, in two runs; other rankings have 0.5."""
    return [
        [study.Answer(ranking, f"species {number // 2}", f"query {number}", value, 0.1)
         for ranking in study.SHOWN for number, value in enumerate(values.get(ranking, [0.5] * 8))]
        for _ in range(2)
    ]  # fmt: skip


def test_the_better_engine_is_what_fused_is_compared_with(study):
    runs = answers(
        study, {"fused": [0.9, 0.9, 0.7, 0.7, 0.9, 0.9, 0.7, 0.7], "lexical": [0.6] * 8, "vector": [0.4] * 8}
    )
    lines = {line["ranking"]: line for line in study.figures("plants", runs)}
    assert lines["fused"]["mAP"] == 0.8
    assert lines["fused"]["runs"] == [0.8, 0.8]
    assert (lines["fused"]["species"], lines["fused"]["queries"], lines["fused"]["chance"]) == (4, 8, 0.1)
    gain = lines["fused minus lexical"]
    assert gain["mAP"] == pytest.approx(0.2)
    assert 0.1 <= gain["low_species"] < 0.2 < gain["high_species"] <= 0.3
    assert "| plants | fused minus lexical | 0.200 |" in study.table(list(lines.values()))


def test_intervals_redraw_whole_species_and_whole_sentences(study):
    runs = answers(study, {"fused": [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]})
    fused = next(iter(study.figures("plants", runs)))
    over_species, over_queries = (fused[f"high_{key}"] - fused[f"low_{key}"] for key in ("species", "queries"))
    assert over_species > over_queries > 0.4
