"""Lent barcodes: every picture that can have one has one of its species, and no barcode stands in two splits."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import ListSource, record

from clipbio.data.digests import barcode_digest
from clipbio.data.merging import BARCODE_FROM, LentBarcodes, MergeSettings
from clipbio.data.merging.lending import deal
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon

SPECIES = ("Aus bus", "Aus cus", "Dus eus", "")
BARCODES = ("ACGT", "ac-gtNN", "ACGA", "ACGC", "ACGG", "TTTT", "----")


def picture(identity: str, name: str = "Aus bus", **values: object) -> Specimen:
    return record(identity, name, image=b"picture", **values)


def lent(*specimens: Specimen) -> dict[str, Specimen]:
    return {specimen.id: specimen for specimen in LentBarcodes(ListSource(specimens))}


def splits_of(specimens: Sequence[Specimen]) -> dict[bytes, set[str]]:
    splits = defaultdict(set)
    for specimen in specimens:
        if digest := barcode_digest(specimen.dna):
            splits[digest].add(specimen.split)
    return splits


@st.composite
def tables(draw: st.DrawFn) -> list[Specimen]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(SPECIES),
                st.sampled_from(("", *BARCODES)),
                st.booleans(),
                st.sampled_from(("train", "val", "test", "key")),
                st.sampled_from(("", "g1", "g2")),
            ),
            max_size=25,
        )
    )
    return [
        record(f"r{number}", name, dna=dna, image=b"picture" if pictured else None, split=split, group_id=group)
        for number, (name, dna, pictured, split, group) in enumerate(rows)
    ]


@settings(max_examples=200, deadline=None)
@given(tables(), st.randoms())
def test_no_barcode_comes_to_stand_in_a_further_split_and_the_order_is_all_one(
    table: list[Specimen], shuffler: random.Random
) -> None:
    after = list(LentBarcodes(ListSource(table)))
    own = splits_of([one for one in after if BARCODE_FROM not in one.metadata])
    for digest, splits in splits_of(after).items():
        assert splits == own.get(digest, splits)
        assert digest in own or len(splits) == 1
    known = {one.id: one for one in table}
    for one in after:
        if BARCODE_FROM in one.metadata:
            donor = known[one.metadata[BARCODE_FROM]]
            assert (donor.dna, donor.species, donor.image) == (one.dna, one.species, None)
    shuffled = list(table)
    shuffler.shuffle(shuffled)
    assert {one.id: one for one in LentBarcodes(ListSource(shuffled))} == {one.id: one for one in after}


def test_pictures_borrow_of_their_species_and_the_donors_go() -> None:
    after = lent(
        picture("p1"),
        picture("p2", "Dus eus"),
        record("d1", dna="ACGT"),
        record("d2", "Gus hus", dna="TTTT"),
    )
    assert {id_: one.dna for id_, one in after.items()} == {"p1": "ACGT", "p2": "", "d2": "TTTT"}
    assert after["p1"].metadata == {BARCODE_FROM: "d1"}
    assert after["p2"].metadata == {}


def test_one_with_its_own_barcode_keeps_it_and_lends_none() -> None:
    after = lent(picture("own", dna="ACGA"), picture("none"))
    assert after["own"].dna == "ACGA"
    assert after["none"].dna == ""


def test_pictures_of_one_individual_borrow_the_same_barcode() -> None:
    donors = [record(f"d{number}", dna="ACGT" + "ACGT"[number] * 4) for number in range(4)]
    pictures = [picture(f"p{number}", group_id=f"g{number // 4}") for number in range(40)]
    after = lent(*donors, *pictures)
    lent_by_group = {(f"g{number // 4}", after[f"p{number}"].dna) for number in range(40)}
    assert len(lent_by_group) == 10
    assert len({dna for _, dna in lent_by_group}) > 1


def test_one_haplotype_in_two_spellings_is_lent_once_by_the_donor_of_the_first_id() -> None:
    donors = (record("d2", dna="ACGT"), record("d1", dna="ac-gtNN"))
    for order in (donors, donors[::-1]):
        after = lent(picture("p1"), picture("p2", split="test"), *order)
        assert (after["p1"].dna, after["p2"].dna) == ("ac-gtNN", "")


def test_a_barcode_of_two_species_stays_in_one_split() -> None:
    after = lent(
        picture("p1", "Aus bus", split="test"),
        picture("p2", "Aus cus", split="train"),
        record("d1", "Aus bus", dna="ACGT"),
        record("d2", "Aus cus", dna="ACGT"),
    )
    assert [after[id_].dna for id_ in ("p1", "p2")] == ["ACGT", ""], "species are dealt by name"


def test_a_barcode_that_a_record_has_in_training_is_not_lent_to_a_test() -> None:
    kept = record("genus", "Aus", dna="ACGT")
    after = lent(picture("p1", split="test"), record("d1", dna="ACGT"), kept)
    assert set(after) == {"p1", "genus"}
    assert after["p1"].dna == ""


def test_a_name_of_two_kingdoms_borrows_nothing_and_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    plant = Specimen("plant", Taxon(kingdom="Plantae", genus="Aus", species="bus"), dna="ACGT")
    animal = Specimen("animal", Taxon(kingdom="Animalia", genus="Aus", species="bus"), image=b"picture")
    after = lent(plant, animal)
    assert set(after) == {"plant", "animal"}
    assert after["animal"].dna == ""
    assert "Aus bus is a name of two kingdoms" in caplog.text


@pytest.mark.parametrize(
    ("barcodes", "wanting", "expected"),
    [
        (0, {"train": 5}, {}),
        (1, {"test": 9, "val": 9, "train": 1}, {"train": 1}),
        (2, {"test": 9, "val": 1, "train": 1}, {"train": 1, "val": 1}),
        (10, {"train": 60, "val": 10, "test": 30}, {"train": 6, "val": 1, "test": 3}),
        (9, {"train": 2, "test": 1}, {"train": 2, "test": 1}),
        (3, {"unseen": 4, "key_unseen": 4}, {"unseen": 2, "key_unseen": 1}),
    ],
)
def test_each_split_gets_one_and_then_by_its_size(
    barcodes: int, wanting: dict[str, int], expected: dict[str, int]
) -> None:
    dealt = deal([bytes([number]) for number in range(barcodes)], wanting, {})
    assert {split: len(digests) for split, digests in dealt.items()} == expected


def test_the_number_of_records_is_known() -> None:
    source = ListSource([picture("p1"), record("d1", dna="ACGT"), record("d2", dna="ACGA")])
    source.total = 3  # type: ignore[attr-defined]
    lending = LentBarcodes(source)
    assert lending.total == len(list(lending)) == 1
    assert LentBarcodes(ListSource([])).total is None
    assert lending.fingerprint() != source.fingerprint()


def test_the_setting_is_true_or_false() -> None:
    assert MergeSettings.of({"lend_barcodes": True}).lend_barcodes
    with pytest.raises(ClipbioError, match="lend_barcodes=coi must be true or false"):
        MergeSettings.of({"lend_barcodes": "coi"})
