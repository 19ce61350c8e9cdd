from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import ListSource, record

from clipbio.data.specimen import Specimen
from clipbio.data.splitting import Hashed, SplitSource
from clipbio.data.splitting.keys import key_reader
from clipbio.errors import ClipbioError

SHARES = {"train": 0.5, "val": 0.25, "test": 0.25}
KEYS = ("group", "barcode", "bin", "species", "collector")

specimens = st.lists(
    st.builds(
        lambda group, dna, code, epithet, collector: record(
            "", f"Aus {epithet}".strip(), group_id=group, dna=dna, bin=code, metadata={"collector": collector}
        ),
        *(
            st.sampled_from(["", "", *values])
            for values in ("GHI", ("ACG", "ACT", "AGG"), "BCD", ("bus", "cus"), "JKL")
        ),
    ),
    min_size=1,
    max_size=40,
).map(lambda found: [replace(one, id=f"s{number}") for number, one in enumerate(found)])


def splits(found: list[Specimen], scheme: Hashed) -> dict[str, str]:
    return {one.id: one.split for one in SplitSource(ListSource(found), scheme)}


def with_collector(found: list[Specimen]) -> list[Specimen]:
    # A column that no record has is an error, which is not what these tests are about.
    return [*found, record("last", metadata={"collector": "Z"})]


@given(specimens, st.lists(st.sampled_from(KEYS), min_size=1, unique=True), st.integers(0, 3), st.randoms())
@settings(max_examples=60, deadline=None)
def test_every_record_is_assigned_no_key_is_parted_and_order_does_not_matter(found, by, seed, random) -> None:
    found = with_collector(found)
    scheme = Hashed(shares=SHARES, by=by, seed=seed)
    assigned = splits(found, scheme)
    assert set(assigned) == {one.id for one in found}
    assert set(assigned.values()) <= set(SHARES)
    for name in by:
        seen = defaultdict(set)
        for one in found:
            if value := key_reader(name)(one):
                seen[value].add(assigned[one.id])
        assert all(len(where) == 1 for where in seen.values())
    shuffled = random.sample(found, len(found))
    assert splits(shuffled, Hashed(shares=dict(reversed(SHARES.items())), by=by[::-1], seed=seed)) == assigned


@given(specimens, st.sampled_from(KEYS), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_with_one_key_nothing_moves_when_records_are_added(found, by, cut) -> None:
    found = with_collector(found)
    scheme = Hashed(shares=SHARES, by=by)
    before = splits([*found[:cut], found[-1]] if cut < len(found) else found, scheme)
    assert before.items() <= splits(found, scheme).items()


def test_with_several_keys_untouched_components_do_not_move() -> None:
    old = [record(f"s{n}", group_id=f"g{n % 7}", dna="ACGT"[: n % 3 + 1] * (n % 7 + 1)) for n in range(60)]
    scheme = Hashed(shares=SHARES, by=["group", "barcode"])
    new = [record(f"t{n}", group_id=f"h{n}", dna=f"{'TG' * (n + 9)}") for n in range(40)]
    assert splits(old, scheme).items() <= splits([*new, *old], scheme).items()


def test_shares_are_met_in_large_numbers_whatever_the_size_of_the_groups() -> None:
    found = [record(f"s{n}", group_id=f"g{n % 6000}" if n % 3 else "") for n in range(12_000)]
    counts = defaultdict(int)
    for split in splits(found, Hashed(shares={"train": 0.8, "val": 0.1, "test": 0.1})).values():
        counts[split] += 1
    assert {name: count / len(found) for name, count in counts.items()} == {
        "train": pytest.approx(0.8, abs=0.015),
        "val": pytest.approx(0.1, abs=0.012),
        "test": pytest.approx(0.1, abs=0.012),
    }


def test_large_components_are_not_drawn_towards_the_first_split() -> None:
    # The smallest of many hashes is small: it names a component, and must not be what is drawn for it.
    found = [record(f"s{n}", group_id=f"g{n}", bin=f"b{n // 20}") for n in range(8000)]
    assigned = splits(found, Hashed(shares=SHARES, by=["group", "bin"]))
    assert sum(split == "train" for split in assigned.values()) / 8000 == pytest.approx(0.5, abs=0.08)


def test_seeds_give_different_splits_and_the_same_seed_the_same() -> None:
    found = [record(f"s{n}") for n in range(200)]
    first, again, other = (splits(found, Hashed(shares=SHARES, by="specimen", seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_keys_join_transitively() -> None:
    chain = [record(f"s{n}", dna=f"A{'C' * (n // 2)}", bin=f"b{(n + 1) // 2}") for n in range(50)]
    assert len(set(splits(chain, Hashed(shares=SHARES, by=["barcode", "bin"])).values())) == 1
    assert len(set(splits(chain, Hashed(shares=SHARES, by=["barcode"])).values())) == 3


def test_gaps_case_and_trailing_n_do_not_make_another_barcode() -> None:
    found = [record(f"s{n}", dna=dna) for n, dna in enumerate(["ACGT", "acgt", "AC-GT", "ACGTNN"] * 5)]
    for seed in range(6):
        assert len(set(splits(found, Hashed(shares=SHARES, by="barcode", seed=seed)).values())) == 1


def test_images_are_compared_by_their_bytes_wherever_they_are(tmp_path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"same")
    reads: list[int] = []
    pictures = [b"same", tmp_path / "a.jpg", lambda: reads.append(1) or b"same"]
    found = [record(f"s{n}", image=picture) for n, picture in enumerate(pictures)]
    found += [record("gone", image=tmp_path / "gone.jpg"), record("none")]
    for seed in range(6):
        assigned = splits(found, Hashed(shares=SHARES, by="image", seed=seed))
        assert len({assigned[f"s{n}"] for n in range(3)}) == 1
    assert len(reads) == 6
    splits(found, Hashed(shares=SHARES, by=["group", "barcode"]))
    assert len(reads) == 6, "pictures are opened only when image hashes are asked for"


@pytest.mark.parametrize(
    ("metadata", "year"),
    [
        ({"year": 1998}, "1998"),
        ({"year": "1998", "eventDate": "2001-05-03"}, "1998"),
        ({"eventDate": "03/05/2001"}, "2001"),
        ({"Event_Date": "2001-05-03T10:00"}, "2001"),
        ({"eventDate": "120010503"}, ""),
        ({}, ""),
    ],
)
def test_the_year_is_cut_out_of_a_date(metadata, year) -> None:
    assert key_reader("year")(record("s", metadata=metadata)) == year


def test_columns_are_compared_without_case_and_spaces() -> None:
    read = key_reader("institution")
    assert read(record("s", metadata={"institution": " MNHN  Paris"})) == read(
        record("t", metadata={"institution": "mnhn paris"})
    )


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"shares": {"train": 0.8, "test": 0.1}}, "sum to 0.9"),
        (
            {"shares": {"train": 0.5, "val": 0.1, "test": 0.5}},
            "{train: 0.5, val: 0.1, test: 0.5} sum to 1.1 instead of 1; a split that is not given keeps its default: "
            "set val: 0",
        ),
        ({"shares": {"train": "most"}}, "split.shares.train=most must lie between 0 and 1"),
        ({"shares": {"train": 0.8, "tests": 0.2}}, "split.shares.tests.*did you mean 'test'"),
        ({"shares": {"train": 1.5, "test": -0.5}}, "between 0 and 1"),
        ({"by": []}, "split.by is empty"),
    ],
)
def test_wrong_settings_are_refused(settings_, message) -> None:
    with pytest.raises(ClipbioError, match=message):
        Hashed(**{"shares": SHARES} | settings_)


def test_a_column_that_no_record_has_is_refused_by_its_nearest_name() -> None:
    found = [record("s", metadata={"institution": "MNHN"})]
    with pytest.raises(ClipbioError, match=r"'institute' is neither .* did you mean 'institution'"):
        splits(found, Hashed(shares=SHARES, by="institute"))


def test_a_key_that_no_record_has_is_told(caplog) -> None:
    splits([record("s")], Hashed(shares=SHARES, by=["group", "barcode"]))
    assert "no record has the key 'barcode'" in caplog.text
    assert "'group'" not in caplog.text


def test_keys_that_tie_nearly_everything_together_are_told(caplog) -> None:
    found = [record(f"s{n}", metadata={"country": "MA" if n < 18 else "DZ"}) for n in range(20)]
    splits(found, Hashed(shares=SHARES, by=["group", "country"]))
    assert "group and country tie 18 of 20 records together" in caplog.text
    caplog.clear()
    splits(found, Hashed(shares=SHARES, by="specimen"))
    assert "together" not in caplog.text


@pytest.mark.parametrize("missing", ["", " ", "-", "?", "unknown", "Not known", "n/a", None, float("nan")])
def test_what_stands_for_a_missing_value_ties_nobody(missing) -> None:
    assert key_reader("locality")(record("s", metadata={"locality": missing})) == ""


@pytest.mark.parametrize(("value", "read"), [(1999, "1999"), ("12-4", "12-4"), (0, "0"), ("Paris", "paris")])
def test_values_of_columns(value, read) -> None:
    assert key_reader("locality")(record("s", metadata={"locality": value})) == read
