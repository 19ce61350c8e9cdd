"""Answers against sums made by hand over all classes, picture by picture."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional

from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.prediction import COLUMNS, Asked, Classes, answers, bins, label_groups, open_writer, rank_groups
from clipbio.prediction import subset_rows as subset
from clipbio.prediction.groups import bin_table
from clipbio.taxonomy import RANKS, Taxon

# Two families of one order, four genera, ten species; a genus without a species, and a label without a taxon.
LINEAGES = [
    (family, genus, species)
    for family, genera in {"Fagaceae": ("Quercus", "Fagus"), "Betulaceae": ("Betula", "Alnus")}.items()
    for genus in genera
    for species in (("robur", "rubra", "ilex") if genus in ("Quercus", "Alnus") else ("alba", "nana"))
]
TAXA = [Taxon("Plantae", "Tracheophyta", "Magnoliopsida", "Fagales", *names) for names in LINEAGES]
TAXA += [Taxon("Plantae", "Tracheophyta", "Magnoliopsida", "Fagales", "Betulaceae", "Corylus")]
LABELS = [""] * len(TAXA) + ["a wall"]
TAXA += [Taxon()]
SCALE = 8.0


def table(taxa=TAXA, labels=LABELS):
    columns = {rank: [taxon.ranks[place] for taxon in taxa] for place, rank in enumerate(RANKS)}
    return pa.table({**columns, "label": labels, "common_name": [f"name {n}" for n in range(len(taxa))]})


@pytest.fixture
def classes():
    generator = torch.Generator().manual_seed(0)
    return Classes(table(), functional.normalize(torch.randn(len(TAXA), 6, generator=generator), dim=1))


@pytest.fixture
def images_ND():
    return functional.normalize(torch.randn(40, 6, generator=torch.Generator().manual_seed(1)), dim=1)


def pictures(images_ND):
    return [f"{n}.jpg" for n in range(len(images_ND))]


def by_hand(classes, image_D):
    """Return the probability of each class, by plain numbers."""
    weights = [float(torch.exp(SCALE * (image_D * vector_D).sum())) for vector_D in classes.vectors_CD.double()]
    return [weight / sum(weights) for weight in weights]


def summed(classes, image_D, name_of):
    sums: dict[str, float] = {}
    for row, probability in enumerate(by_hand(classes, image_D)):
        if name := name_of(row):
            sums[name] = sums.get(name, 0) + probability
    return sums


def asked_rows(asked, images_ND):
    return list(answers(asked, pictures(images_ND), images_ND))


def check(rows, expected, k):
    assert [row["place"] for row in rows] == list(range(1, k + 1))
    best = sorted(expected.items(), key=lambda item: -item[1])[:k]
    assert [row["name"] for row in rows] == [name for name, _ in best]
    assert [row["probability"] for row in rows] == pytest.approx([value for _, value in best], rel=1e-4)


def test_classes_are_answered_by_their_probability(classes, images_ND):
    rows = asked_rows(Asked(classes, label_groups(classes), k=3, scale=SCALE), images_ND)
    assert len(rows) == 3 * len(images_ND)
    assert all(tuple(row) == COLUMNS for row in rows)
    names = [names.own for names in classes.all_names()]
    for place, image_D in enumerate(images_ND):
        check(rows[3 * place : 3 * place + 3], summed(classes, image_D, lambda row: names[row]), 3)


@pytest.mark.parametrize("rank", ["kingdom", "order", "family", "genus", "species"])
def test_taxa_of_a_rank_have_the_sum_of_what_is_in_them(classes, images_ND, rank):
    asked = Asked(classes, rank_groups(classes, rank), k=2, scale=SCALE)
    rows = asked_rows(asked, images_ND)
    at = RANKS.index(rank)

    def name_of(row):
        return TAXA[row].scientific_name if rank == "species" else TAXA[row].ranks[at]

    found = {number: [row for row in rows if row["picture"] == f"{number}.jpg"] for number in range(len(images_ND))}
    for place, image_D in enumerate(images_ND):
        expected = summed(classes, image_D, name_of)
        check(found[place], expected, min(2, len(expected)))
    assert all(row[below] == "" for row in rows for below in RANKS[at + 1 :])
    assert {row["rank"] for row in rows} == {rank}


def test_bins_hold_listed_labels_and_clades_and_the_rest_is_other(classes, images_ND, tmp_path):
    path = tmp_path / "bins.csv"
    path.write_text("name,bin\nFagaceae,beeches\nQuercus robur,oak\na wall,no plant\n\nname 9,tenth\n")
    groups = bins(classes, bin_table(path))
    rows = asked_rows(Asked(classes, groups, k=9, scale=SCALE), images_ND)

    def name_of(row):
        if TAXA[row].scientific_name == "Quercus robur":
            return "oak"
        if TAXA[row].family == "Fagaceae":
            return "beeches"
        return {9: "tenth", len(TAXA) - 1: "no plant"}.get(row, "other")

    for place, image_D in enumerate(images_ND):
        check(rows[5 * place : 5 * place + 5], summed(classes, image_D, name_of), 5)


def test_a_clade_may_be_listed_whose_members_all_are_and_a_bin_may_be_called_other(classes, images_ND):
    listed = {"Betulaceae": "birches", "Betula": "a", "Alnus": "a", "name 10": "other", "Fagaceae": "b"}
    groups = bins(classes, listed)
    assert groups.names_G == ("birches", "a", "other", "b")
    rows = asked_rows(Asked(classes, groups, k=9, scale=SCALE), images_ND[:1])
    names = ["b"] * 5 + ["a"] * 5 + ["other"] * 2
    expected = summed(classes, images_ND[0], lambda row: names[row])
    check(rows[:3], expected, 3)
    assert (rows[3]["name"], rows[3]["probability"]) == ("birches", 0)


@pytest.mark.parametrize("k", [1, 3, 70])
def test_of_equal_answers_the_first_are_taken(k):
    taxa = [Taxon(genus="Quercus", species=f"s{number:02}") for number in range(70)]
    same = Classes(table(taxa, [""] * 70), torch.eye(4)[:1].expand(70, 4).contiguous())
    rows = asked_rows(Asked(same, label_groups(same), k=k, scale=SCALE), torch.eye(4)[:2])
    assert [row["name"] for row in rows] == 2 * [f"Quercus s{number:02}" for number in range(k)]


@pytest.mark.parametrize("confidence", [0.2, 0.5, 0.9, 1.0])
def test_the_deepest_sure_taxon_is_found_from_the_root_down(classes, images_ND, confidence):
    rows = asked_rows(Asked(classes, label_groups(classes), confidence=confidence, scale=SCALE), images_ND)
    assert len(rows) == len(images_ND)
    for row, image_D in zip(rows, images_ND, strict=True):
        name, rank = "", "root"
        inside = set(range(len(TAXA)))
        for at, next_rank in enumerate(RANKS):
            sums = summed(
                classes, image_D, lambda c, at=at, inside=inside: c in inside and "|".join(TAXA[c].ranks[: at + 1])
                if TAXA[c].ranks[at] else ""
            )  # fmt: skip
            best = max(sums, key=sums.__getitem__, default="")
            if not best or sums[best] < confidence:
                break
            inside = {c for c in inside if "|".join(TAXA[c].ranks[: at + 1]) == best}
            name, rank = best.split("|")[-1], next_rank
            probability = sums[best]
        assert (row["rank"], row[rank] if rank != "root" else "") == (rank, name)
        if rank != "root":
            assert row["probability"] == pytest.approx(probability, rel=1e-4)
    assert {row["rank"] for row in rows} - {"root"} or confidence == 1.0


def test_many_classes_are_answered_block_by_block(classes, images_ND, monkeypatch):
    whole = asked_rows(Asked(classes, rank_groups(classes, "genus"), scale=SCALE), images_ND)
    monkeypatch.setattr("clipbio.prediction.answering._PROBABILITIES_AT_ONCE", 3 * len(classes))
    parts = asked_rows(Asked(classes, rank_groups(classes, "genus"), scale=SCALE), images_ND)
    assert [row["name"] for row in parts] == [row["name"] for row in whole]
    assert [row["probability"] for row in parts] == pytest.approx([row["probability"] for row in whole], rel=1e-5)


def listed(*taxa, label=""):
    return [Specimen(id=str(n), taxon=taxon, label=label) for n, taxon in enumerate(taxa)]


def test_a_checklist_keeps_its_species_and_what_lies_below_its_taxa(classes, caplog):
    given = listed(Taxon(genus="Quercus", species="ilex"), Taxon(family="Betulaceae"), Taxon("Animalia", genus="Fagus"))
    with caplog.at_level("WARNING", "clipbio"):
        rows = subset(classes, given, "region.csv")
    kept = [c for c, taxon in enumerate(TAXA) if taxon.family == "Betulaceae" or taxon.species == "ilex"]
    assert rows.tolist() == kept
    assert subset(classes, listed(Taxon(), label="a wall"), "region.csv").tolist() == [len(TAXA) - 1]


def test_names_that_nothing_has_are_told_with_the_closest(classes, caplog):
    import logging

    logging.getLogger("clipbio").propagate = True
    with caplog.at_level("WARNING", "clipbio"):
        subset(classes, listed(Taxon(genus="Quercus", species="robus"), Taxon(genus="Alnus")), "region.csv")
    assert "1 of 2 taxa are not among the labels: Quercus robus; did you mean 'Quercus robur'?" in caplog.text
    with pytest.raises(ClipbioError, match=r"none of its 1 taxa is among the 12 labels"):
        subset(classes, listed(Taxon(genus="Ulmus", species="glabra")), "region.csv")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,bin\nFagaceae\n", "row 2: give a name and its bin"),
        ("name,bin\nFagaceae,a\nFagaceae,b\n", "row 3: 'Fagaceae' has two bins, a and b"),
        ("name,bin\n", "is empty"),
    ],
)
def test_a_damaged_table_of_bins_is_refused(tmp_path, text, told):
    (tmp_path / "bins.csv").write_text(text)
    with pytest.raises(ClipbioError, match=told):
        bin_table(tmp_path / "bins.csv")


def test_what_cannot_be_answered_is_refused(classes):
    with pytest.raises(ClipbioError, match=r"no label is called 'Fagacea'.*did you mean 'Fagaceae'"):
        bins(classes, {"Fagacea": "x"})
    with pytest.raises(ClipbioError, match="rank='genera' is unknown"):
        rank_groups(classes, "genera")
    with pytest.raises(ClipbioError, match="asks for no answer"):
        Asked(classes, label_groups(classes), k=0)
    with pytest.raises(ClipbioError, match="leave rank= and bins= out"):
        Asked(classes, rank_groups(classes, "genus"), confidence=0.5)
    bare = Classes(table([Taxon()], ["oak"]), torch.ones(1, 1))
    with pytest.raises(ClipbioError, match="none of the 1 labels has a family"):
        rank_groups(bare, "family")
    with pytest.raises(ClipbioError, match="needs labels with ranks"):
        Asked(bare, label_groups(bare), confidence=0.5)


def test_files_hold_what_is_written_and_a_broken_run_leaves_what_was_there(tmp_path, classes, images_ND, monkeypatch):
    rows = asked_rows(Asked(classes, label_groups(classes), k=2, scale=SCALE), images_ND)
    monkeypatch.setattr("clipbio.prediction.writing._ROWS_AT_ONCE", 7)
    for path in (tmp_path / "deep" / "a.csv", tmp_path / "a.parquet"):
        with open_writer(path) as writer:
            for start in range(0, len(rows), 5):
                writer.write(rows[start : start + 5])
        with pytest.raises(TypeError), open_writer(path) as writer:
            writer.write(None)
        assert [one.name for one in path.parent.iterdir() if one.is_file() and one.name.startswith(".")] == []
    found = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["name"] for row in found] == [row["name"] for row in rows]
    assert [row["probability"] for row in found] == pytest.approx([row["probability"] for row in rows])
    with (tmp_path / "deep" / "a.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == [row["name"] for row in rows]
    with pytest.raises(ClipbioError, match=r"written as \.csv or \.parquet"), open_writer(Path("a.json")):
        pass
