from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import ListSource, record

from clipbio.data.specimen import Specimen
from clipbio.data.splitting import HeldOut, SplitSource
from clipbio.errors import ClipbioError

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
NAMES = [f"{genus} {epithet}us" for genus in ("Aus", "Bus", "Cus", "Dus") for epithet in ("b", "c", "d", "f", "g")]


def read(found: list[Specimen], scheme: HeldOut) -> tuple[dict[str, str], SplitSource]:
    source = SplitSource(ListSource(found), scheme)
    return {one.id: one.split for one in source}, source


def by_name(found: list[Specimen], assigned: dict[str, str], rank: str = "species") -> dict[str, set[str]]:
    where = defaultdict(set)
    for one in found:
        if one.id in assigned:
            where[one.taxon.scientific_name if rank == "species" else one.taxon.genus].add(assigned[one.id])
    return where


@pytest.mark.parametrize("rank", ["species", "genus"])
def test_held_out_taxa_stand_in_their_split_alone_and_a_share_of_them_is_held_out(rank) -> None:
    found = [record(f"s{n}", f"Aus{chr(97 + n % 26)} b{chr(97 + n % 19)}us") for n in range(5000)]
    assigned, source = read(found, HeldOut(shares=SHARES, rank=rank, unseen=0.3, val_unseen=0.1, by="specimen"))
    where = by_name(found, assigned, rank)
    assert set(assigned) == {one.id for one in found}
    assert not source.defects
    assert all(len(splits) == 1 for splits in where.values() if splits & {"unseen", "val_unseen"})
    held = [name for name, splits in where.items() if splits == {"unseen"}]
    if rank == "species":
        assert len(held) / len(where) == pytest.approx(0.3, abs=0.07)
    assert held
    assert {"val_unseen"} in where.values()
    assert set(SHARES) in where.values()


@given(
    st.lists(st.tuples(st.sampled_from(["", *NAMES]), st.sampled_from(["", *"ghijklmn"])), min_size=1, max_size=50),
    st.integers(0, 5),
    st.randoms(),
)
@settings(max_examples=60, deadline=None)
def test_no_group_of_a_held_out_taxon_reaches_another_split(pairs, seed, random) -> None:
    found = [record(f"s{n}", name, group_id=group) for n, (name, group) in enumerate(pairs)]
    scheme = HeldOut(shares=SHARES, unseen=0.3, val_unseen=0.3, seed=seed)
    assigned, source = read(found, scheme)
    groups = defaultdict(set)
    for one in found:
        if one.id in assigned:
            groups[one.group_id or one.id].add(assigned[one.id])
    assert all(len(splits) == 1 for splits in groups.values())
    where = by_name(found, assigned)
    assert all(len(splits) == 1 for name, splits in where.items() if splits & {"unseen", "val_unseen"})
    assert len(assigned) + source.defects.counts.get("spans_held_out", 0) == len(found)
    shuffled = random.sample(found, len(found))
    assert read(shuffled, scheme)[0] == assigned


@given(st.lists(st.sampled_from(["", *NAMES, "Eus bus"]), min_size=1, max_size=40), st.integers(0, 9), st.randoms())
@settings(max_examples=60, deadline=None)
def test_of_each_genus_a_species_stays_in_training_where_relatives_are_asked_for(names, seed, random) -> None:
    found = [record(f"s{n}", name) for n, name in enumerate(names)]
    scheme = HeldOut(shares={"train": 1.0}, unseen=0.5, val_unseen=0.4, relatives="genus", seed=seed)
    assigned, _ = read(found, scheme)
    genera = by_name(found, assigned, "genus")
    assert all("train" in splits for splits in genera.values())
    species = by_name(found, assigned)
    assert all(len(splits) == 1 for splits in species.values())
    assert read(random.sample(found, len(found)), scheme)[0] == assigned
    # Apart from the one that stays, the draw is that without relatives.
    free, _ = read(found, HeldOut(shares={"train": 1.0}, unseen=0.5, val_unseen=0.4, seed=seed))
    changed = {one.taxon.scientific_name for one in found if free[one.id] != assigned[one.id]}
    assert all(assigned[one.id] == "train" for one in found if one.taxon.scientific_name in changed)
    assert len({name.split()[0] for name in changed}) == len(changed)


@given(st.lists(st.sampled_from([*NAMES, "Eus bus"]), min_size=1, max_size=40), st.integers(0, 9), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_relatives_of_a_held_out_species_are_not_all_in_val_and_test(names, seed, random) -> None:
    found = [record(f"s{n}", name) for n, name in enumerate(names)]
    shares = {"train": 0.2, "val": 0.5, "test": 0.3}
    scheme = HeldOut(shares=shares, unseen=0.4, val_unseen=0.2, relatives="genus", by="specimen", seed=seed)
    assigned, _ = read(found, scheme)
    for splits in by_name(found, assigned, "genus").values():
        assert "train" in splits or not splits & {"unseen", "val_unseen"}
    assert read(random.sample(found, len(found)), scheme)[0] == assigned


def test_what_is_not_determined_is_no_relative() -> None:
    found = [record("a", "Aus bus"), record("b", "Aus")]
    scheme = HeldOut(shares={"train": 1.0}, unseen=1.0, relatives="genus", by="specimen")
    assert read(found, scheme)[0] == {"a": "train", "b": "train"}


def test_listed_species_are_held_out_even_without_relatives() -> None:
    found = [record("a", "Aus bus"), record("b", "Aus cus"), record("c", "Bus fus")]
    scheme = HeldOut(shares={"train": 1.0}, unseen=["Aus bus", "Bus fus"], val_unseen=1.0, relatives="genus")
    assert read(found, scheme)[0] == {"a": "unseen", "b": "train", "c": "unseen"}
    assert scheme.describe()["relatives"] == "genus"
    assert "relatives" not in HeldOut(shares={"train": 1.0}).describe()


def test_what_is_tied_to_a_held_out_specimen_is_left_out_and_counted() -> None:
    found = [
        record("held", "Aus bus", group_id="g"),
        record("other", "Cus dus", group_id="g"),
        record("nameless", "", group_id="g"),
        record("later", "Dus fus", group_id="g"),
        record("free", "Cus dus"),
    ]
    scheme = HeldOut(shares={"train": 1.0}, unseen=["Aus bus"], val_unseen=["Dus fus"])
    assigned, source = read(found, scheme)
    assert assigned == {"held": "unseen", "free": "train"}
    assert source.defects.counts == {"spans_held_out": 3}
    assert source.defects.skipped == 3


def test_lists_and_files_of_names_are_cleaned_and_a_misspelt_one_is_told(tmp_path) -> None:
    (tmp_path / "rare.txt").write_text("Aus bus Linnaeus, 1758\n\naus_cus\nAus bux\n")
    found = [record("a", "Aus bus"), record("b", "Aus cus"), record("c", "Aus dus"), record("d", "Bus fus")]
    scheme = HeldOut(shares={"train": 1.0}, unseen=str(tmp_path / "rare.txt"), val_unseen=["Bus fus"])
    assigned, source = read(found, scheme)
    assert assigned == {"a": "unseen", "b": "unseen", "c": "train", "d": "val_unseen"}
    assert [str(one) for one in source.defects] == ["split.unseen: no record is of 'Aus bux'; did you mean 'Aus bus'?"]
    assert source.defects.skipped == 0


def test_a_list_of_genera(tmp_path) -> None:
    found = [record("a", "Aus bus"), record("b", "Aus"), record("c", "Bus fus")]
    assigned, _ = read(found, HeldOut(shares={"train": 1.0}, rank="genus", unseen=["aus"]))
    assert assigned == {"a": "unseen", "b": "unseen", "c": "train"}


def test_nothing_left_for_training_is_told(caplog) -> None:
    found = [record("a", "Aus bus"), record("b", "Bus fus")]
    read(found, HeldOut(shares={"train": 1.0}, unseen=["Aus bus"]))
    assert "is left for train" not in caplog.text
    read(found, HeldOut(shares={"train": 1.0}, unseen=1.0))
    assert "no record of 2 is left for train" in caplog.text


def test_held_out_taxa_stay_so_when_records_are_added() -> None:
    old = [record(f"s{n}", NAMES[n % 12]) for n in range(60)]
    new = [record(f"t{n}", NAMES[n % 20]) for n in range(60)]
    scheme = HeldOut(shares=SHARES, unseen=0.3)
    assert read(old, scheme)[0].items() <= read([*new, *old], scheme)[0].items()


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"rank": "specie"}, "split.rank='specie' is no rank; did you mean 'species'"),
        ({"unseen": 1.2}, "must be a share between 0 and 1"),
        ({"unseen": 0.7, "val_unseen": 0.7}, "more than all taxa"),
        ({"unseen": ["Aus bus"], "val_unseen": ["Aus bus"]}, "'Aus bus' stands both"),
        ({"unseen": ["Aus sp. 1"]}, "'Aus sp. 1' is no name of a species"),
        ({"unseen": "not/there.txt"}, "cannot be read as a list of taxa"),
        ({"rank": "genus", "unseen": ["Aus bus"]}, "'Aus bus' is no name of a genus; see split.rank"),
        ({"unseen": None}, "split.unseen=null must be a share"),
        ({"relatives": "genos"}, "split.relatives='genos' is no rank above species; did you mean 'genus'"),
        ({"rank": "genus", "relatives": "genus"}, "split.relatives='genus' is no rank above genus"),
        ({"val_unseen": True}, "split.val_unseen=True must be a share"),
        ({"shares": 0.8}, "split.shares=0.8 must give a share for each split"),
        ({"by": None}, "split.by=null must name one key or several"),
    ],
)
def test_wrong_settings_are_refused(settings_, message) -> None:
    with pytest.raises(ClipbioError, match=message):
        HeldOut(**{"shares": SHARES} | settings_)
