from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import ListSource, record

from clipbio.data.sources.provisional import is_provisional
from clipbio.data.specimen import Specimen
from clipbio.data.splitting import PUBLISHED, Bioscan5M, SplitSource
from clipbio.data.splitting.quotas import seen_roles, unseen_roles
from clipbio.errors import ClipbioError


def sizes(roles: dict[int, str], counts: dict[int, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for code, role in roles.items():
        found[role] += counts[code]
    return found


@pytest.mark.parametrize(
    ("counts", "test"),
    [
        ([1] * 7, 0),  # fewer than 8 samples
        ([8], 0),  # one barcode
        ([1] * 8, 3),  # 4 samples wanted, but at most floor(1 + 6 / 3) = 3 of 8 barcodes
        ([3, 5], 3),  # one of two barcodes, the one that fits
        ([1, 3, 5], 3),  # one of three barcodes: three samples, not one
        ([1, 1, 6], 0),  # one of three barcodes: no three samples fit
        ([1] * 24, 8),  # floor(4 + 16 / 4) = 8 of 24
        ([1] * 400, 25),  # never more than 25
        ([10] * 40, 20),  # 25 wanted: two barcodes of ten fit
    ],
)
def test_sizes_of_the_test_split(counts, test) -> None:
    given_ = dict(enumerate(counts))
    assert sizes(seen_roles(given_), given_)["test"] == test
    assert sizes(unseen_roles(given_), given_)["test_unseen"] == test


@pytest.mark.parametrize(
    ("counts", "val"),
    [
        ([1] * 6, 0),  # fewer than 7
        ([1] * 7, 1),  # single samples of a species of 7 to 19
        ([2] * 9, 0),  # 18 samples, none of them alone under its barcode
        ([1] * 100, 4),  # 25 tested, 5 % of 75
        ([30, 30], 0),  # no barcode is as small as the 3 samples wanted
    ],
)
def test_sizes_of_the_validation_split(counts, val) -> None:
    given_ = dict(enumerate(counts))
    assert sizes(seen_roles(given_), given_)["val"] == val


@pytest.mark.parametrize(
    ("counts", "val"), [([8], 0), ([4, 5], 0), ([1] * 100, 15), ([5, 5, 6], 5), ([20, 30, 40], 30)]
)
def test_sizes_of_val_unseen(counts, val) -> None:
    given_ = dict(enumerate(counts))
    assert sizes(unseen_roles(given_), given_)["val_unseen"] == val


def read(found: list[Specimen], **settings_: object) -> tuple[dict[str, Specimen], SplitSource]:
    source = SplitSource(ListSource(found), Bioscan5M(**settings_))  # type: ignore[arg-type]
    return {one.id: one for one in source}, source


def colony(name: str, count: int, *, label: str = "", first: int = 0) -> list[Specimen]:
    genus = name.split(" ")[0]
    return [
        record(f"{name}{label}-{n}", name, label=label or name, dna="ACGT" * 3 + _code(f"{genus}{name}{label}{n}"))
        for n in range(first, first + count)
    ]


def _code(text: str) -> str:
    return "".join(
        "ACGT"[int(digit, 4)]
        for byte in text.encode()
        for digit in f"{byte // 64}{byte // 16 % 4}{byte // 4 % 4}{byte % 4}"
    )


def test_the_rules_on_a_small_set() -> None:
    found = [
        *colony("Aus bus", 40),
        *colony("Aus", 30, label="Aus sp. 1"),  # unseen: its genus has a seen species
        *colony("Aus", 7, label="Aus sp. 2"),  # too few
        *colony("Cus", 30, label="Cus sp. 1"),  # of a genus that is not seen
        record("nameless", "", dna="TTTT"),
        record("undetermined", "Aus", dna="TTTC"),
        record("single", "Aus dus", dna="TTTG"),
    ]
    assigned, source = read(found)
    splits = defaultdict(Counter)
    for one in assigned.values():
        splits[one.label or one.id][one.split, one.metadata[PUBLISHED]] += 1
    assert splits["Aus bus"] == {("train", "train"): 27, ("test", "test"): 12, ("val", "val"): 1}
    assert splits["Aus sp. 1"] == {
        ("key_unseen", "key_unseen"): 17,
        ("unseen", "test_unseen"): 9,
        ("val_unseen", "val_unseen"): 4,
    }
    assert splits["nameless"] == splits["undetermined"] == {("train", "pretrain"): 1}
    assert splits["single"] == {("train", "train"): 1}
    assert not {"Aus sp. 2", "Cus sp. 1"} & set(splits)
    assert source.defects.counts == {"other_heldout": 37}
    assert source.defects.skipped == 0, "they are left out by the rule, not lost"


def test_other_heldout_is_read_when_it_is_asked_for_but_never_trained_on() -> None:
    found = [*colony("Aus bus", 10), *colony("Cus", 5, label="Cus sp. 1")]
    assigned, _ = read(found, other_heldout="unseen")
    assert [(one.split, one.metadata[PUBLISHED]) for one in assigned.values() if one.label == "Cus sp. 1"] == [
        ("unseen", "other_heldout")
    ] * 5
    with pytest.raises(ClipbioError, match="other_heldout='train' cannot be"):
        Bioscan5M(other_heldout="train")


def test_the_name_may_stand_in_a_column() -> None:
    found = [
        *colony("Aus bus", 10),
        *(record(f"p{n}", "Aus", dna=_code(f"{n:02d}"), metadata={"identification": "Aus sp. 1"}) for n in range(10)),
    ]
    assert Counter(one.split for key, one in read(found)[0].items() if key[0] == "p") == {"train": 10}
    assigned, _ = read(found, name="identification")
    assert "train" not in {one.split for key, one in assigned.items() if key[0] == "p"}
    with pytest.raises(
        ClipbioError, match=r"split\.name: no record has a column 'identificaton'; did you mean 'identification'"
    ):
        read(found, name="identificaton")


def test_a_barcode_of_several_species_is_never_a_query() -> None:
    shared, mixed, unseen = "AAAA", "CCCC", "GGGG"
    found = [
        *colony("Aus bus", 30),
        *colony("Aus cus", 30),
        *colony("Aus", 30, label="Aus sp. 1"),
        *colony("Aus", 30, label="Aus sp. 2"),
        *(record(f"shared-{name}", name, label=name, dna=shared) for name in ("Aus bus", "Aus cus")),
        record("mixed-seen", "Aus bus", label="Aus bus", dna=mixed),
        record("mixed-unseen", "Aus", label="Aus sp. 1", dna=mixed),
        *(record(f"unseen-{label}", "Aus", label=label, dna=unseen) for label in ("Aus sp. 1", "Aus sp. 2")),
        record("nameless-mixed", "", dna=mixed),
        record("nameless-shared", "", dna=shared),
    ]
    assigned, _ = read(found)
    assert {assigned[f"shared-{name}"].split for name in ("Aus bus", "Aus cus")} == {"train"}
    assert {assigned[f"unseen-{label}"].split for label in ("Aus sp. 1", "Aus sp. 2")} == {"key_unseen"}
    assert not {"mixed-seen", "mixed-unseen", "nameless-mixed"} & set(assigned)
    assert assigned["nameless-shared"].metadata[PUBLISHED] == "pretrain"


names = st.sampled_from(["", "Aus bus", "Aus cus", "Bus dus", "Aus sp. 1", "Aus sp. 2", "Cus sp. 1"])


@given(st.lists(st.tuples(names, st.integers(0, 25)), min_size=1, max_size=120), st.integers(0, 3), st.randoms())
@settings(max_examples=60, deadline=None)
def test_no_barcode_and_no_unseen_species_is_parted_from_its_side(pairs, seed, random) -> None:
    found = [
        record(f"s{n}", name if not is_provisional(name) else name.split(" ")[0], label=name, dna="ACGT" * code)
        for n, (name, code) in enumerate(pairs)
    ]
    assigned, source = read(found, seed=seed)
    barcodes, species = defaultdict(set), defaultdict(set)
    for one in assigned.values():
        if one.dna:
            barcodes[one.dna].add(one.split)
        if one.label:
            species[one.label].add(one.split)
    assert all(len(splits) == 1 for splits in barcodes.values())
    assert all(splits <= {"train", "val", "test"} for name, splits in species.items() if not is_provisional(name))
    assert all(
        splits <= {"key_unseen", "val_unseen", "unseen"} for name, splits in species.items() if is_provisional(name)
    )
    assert len(assigned) + source.defects.counts.get("other_heldout", 0) == len(found)
    shuffled = random.sample(found, len(found))
    again = read(shuffled, seed=seed)[0]
    assert {key: one.split for key, one in again.items()} == {key: one.split for key, one in assigned.items()}
