"""The audit on tables made by hand: every number is counted on paper."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from foreign import bioclip_samples, write_tar
from hypothesis import given, settings
from hypothesis import strategies as st
from records import ListSource, record
from tables import encoded

from clipbio.data.columns import Column
from clipbio.data.digests import barcode_digest
from clipbio.data.layouts import ClipbioLayout
from clipbio.data.leakage import Audit, audit, is_leak
from clipbio.data.leakage_report import audit_table, write_audit
from clipbio.data.manifest import SPLITS
from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardFolder, resolve
from clipbio.data.specimen import Specimen
from clipbio.data.splits import SplitRows, whole_split
from clipbio.errors import ClipbioError
from clipbio.taxonomy import RANKS, stable_hash

A, B, C, D = (encoded(seed) for seed in range(4))


def splits_of(root: Path, specimens: list[Specimen]) -> dict[str, SplitRows]:
    prepare(ListSource(specimens), root, progress=False)
    folder = ShardFolder.open(root)
    return {name: whole_split(folder, name) for name in folder.splits}


def found(result: Audit) -> dict[tuple[str, str, str], tuple[int, int, int, bool]]:
    return {
        (one.first, one.second, one.kind): (one.values, one.first_specimens, one.second_specimens, one.leak)
        for one in result.overlaps
    }


TABLE = [
    record("t1", "Aus bus", image=A, dna="ACGT", group_id="g1"),
    record("t2", "Aus bus", image=A, dna="ACGTNN", bin="B1"),
    record("t3", "Cus dus", image=B, group_id="g2"),
    record("t4", "Eus", dna="TTTT", label="Eus sp. 1"),
    record("v1", "Aus bus", image=C, dna="AAAA", split="val"),
    record("e1", "Aus bus", image=A, dna="acg-t", split="test"),
    record("e2", "Cus dus", image=D, group_id="g2", split="test"),
    record("e3", "", image=C, split="test"),
    record("u1", "Cus dus", dna="GGGG", bin="B1", split="unseen"),
    record("u2", "Aus fus", dna="GGGA", split="unseen"),
    record("u3", "Eus", dna="GGGC", label="Eus sp. 1", split="unseen"),
]


def test_every_overlap_of_a_small_table_is_counted(tmp_path) -> None:
    result = audit(splits_of(tmp_path / "shards", TABLE))
    assert found(result) == {
        ("train", "test", "group"): (1, 1, 1, True),
        ("train", "test", "image"): (1, 2, 1, True),
        ("train", "test", "barcode"): (1, 2, 1, True),
        ("val", "test", "image"): (1, 1, 1, True),
        ("train", "unseen", "bin"): (1, 1, 1, True),
        ("train", "unseen", "species"): (2, 2, 2, True),
        ("train", "val", "species"): (1, 2, 1, False),
        ("train", "test", "species"): (2, 3, 2, False),
        ("val", "test", "species"): (1, 1, 1, False),
        ("test", "unseen", "species"): (1, 1, 1, False),
        ("train", "val", "genus"): (1, 2, 1, False),
        ("train", "test", "genus"): (2, 3, 2, False),
        ("train", "unseen", "genus"): (3, 4, 3, False),
        ("val", "test", "genus"): (1, 1, 1, False),
        ("val", "unseen", "genus"): (1, 1, 1, False),
        ("test", "unseen", "genus"): (2, 2, 2, False),
    }
    assert result.pairs == 6
    assert result.specimens == {"train": 4, "val": 1, "test": 3, "unseen": 3}
    examples = {(one.first, one.second, one.kind): one.examples for one in result.leaks}
    assert examples["train", "test", "image"] == (("t1", "e1"),)
    assert examples["train", "test", "group"] == (("t3", "e2"),)
    assert set(examples["train", "unseen", "species"]) == {("t3", "u1"), ("t4", "u3")}


def test_only_the_rows_of_a_split_count(tmp_path) -> None:
    parts = splits_of(tmp_path / "shards", TABLE)
    part = parts["train"]
    rows = np.array([row for row in part.rows if part.index.ids[row] == "t3"])
    result = audit({"train": SplitRows("train", part.index, rows), "test": parts["test"]})
    assert {kind for _, _, kind in found(result)} == {"group", "species", "genus"}
    assert audit({"train": SplitRows("train", part.index, rows[:0]), "test": parts["test"]}).pairs == 0


def test_two_folders_are_compared_with_each_other_only(tmp_path) -> None:
    first = splits_of(tmp_path / "a", TABLE[:4])
    second = splits_of(
        tmp_path / "b", [record("t1", "Xus yus", dna="CCCC", split="test"), record("t9", "Aus bus", image=B)]
    )
    others = {f"{name} (2)": part for name, part in second.items()}
    assert found(audit(first, others)) == {
        ("train", "test (2)", "specimen"): (1, 1, 1, True),
        ("train", "train (2)", "image"): (1, 1, 1, False),
        ("train", "train (2)", "species"): (1, 2, 1, False),
        ("train", "train (2)", "genus"): (1, 2, 1, False),
    }


def test_clean_splits_have_no_leaks(tmp_path) -> None:
    result = audit(splits_of(tmp_path / "shards", [TABLE[0], TABLE[4]]))
    assert not result.leaks
    assert result.summary() == "none between train, val"


def test_held_out_genera(tmp_path) -> None:
    parts = splits_of(tmp_path / "shards", [TABLE[0], TABLE[9]])
    assert not audit(parts).leaks
    assert [one.kind for one in audit(parts, held_out="genus").leaks] == ["genus"]
    with pytest.raises(ClipbioError, match="held_out='family' must be species or genus"):
        audit(parts, held_out="family")


@pytest.mark.parametrize(
    ("kind", "first", "second", "leak"),
    [
        ("image", "train", "val", True),
        ("image", "train", "key", False),  # training specimens may be looked up in
        ("image", "train", "key_unseen", True),
        ("image", "key", "test", True),
        ("image", "key_unseen", "unseen", True),
        ("image", "key", "key_unseen", False),
        ("image", "test", "unseen", False),  # nothing is chosen on either
        ("image", "val_unseen", "test", True),
        ("barcode", "train", "test", True),
        ("species", "train", "key_unseen", True),
        ("species", "val_unseen", "train", True),
        ("species", "key_unseen", "unseen", False),  # what keys are for
        ("species", "key", "test", False),
        ("bin", "train", "unseen", True),
        ("bin", "train", "test", False),
        ("genus", "train", "unseen", False),
    ],
)
def test_what_is_a_leak(kind, first, second, leak) -> None:
    assert is_leak(kind, first, second) is leak
    assert is_leak(kind, second, first) is leak


def test_the_report_says_what_leaks_and_shows_ids_as_they_are(tmp_path) -> None:
    table = [record("<b>|t1", "Aus bus", image=A), record("e1", "Aus bus", image=A, split="test")]
    result = audit(splits_of(tmp_path / "shards", table))
    page = write_audit(result, tmp_path / "out", "leakage: <shards>")
    told = json.loads((tmp_path / "out" / "leakage.json").read_text())
    assert told["leaks"] == 1
    assert told["overlaps"][0]["examples"] == [["<b>|t1", "e1"]]
    assert "&lt;b&gt;|t1 and e1" in page.read_text()
    assert "<b>" not in page.read_text()
    assert (
        "| leak | train, test | images | 1 | 1 | 1 | &lt;b>\\|t1 and e1 |"
        in (tmp_path / "out" / "leakage.md").read_text()
    )
    assert audit_table(result, "leakage").row_count == 3
    assert result.summary() == "train and test share 1 image (1 and 1 specimens; first '<b>|t1' and 'e1')"


def test_pictures_of_foreign_shards_are_told_not_to_be_compared(tmp_path) -> None:
    own = splits_of(tmp_path / "own", [record("e1", "Aus bus", image=A, split="test")])
    samples = bioclip_samples(3)
    write_tar(tmp_path / "foreign" / "shard-000000.tar", samples)
    foreign = resolve(tmp_path / "foreign", tmp_path / "cache", progress=False)
    result = audit({"test": own["test"], "train": whole_split(foreign, "train")})
    blind = "pictures not compared: foreign shards (train)"
    assert result.summary() == f"none between test, train; {blind}"
    write_audit(result, tmp_path / "out", "leakage")
    assert json.loads((tmp_path / "out/leakage.json").read_text())["pictures_not_compared"] == ["train"]
    for name in ("leakage.html", "leakage.md"):
        assert "Pictures not compared: foreign shards (train)" in (tmp_path / "out" / name).read_text()
    assert audit(own | {"train": own["test"]}).blind == ""


class FakeIndex:
    """The columns of an index that the audit looks at."""

    def __init__(self, specimens: list[Specimen]) -> None:
        self.ids = Column(pa.array([one.id for one in specimens], pa.string()))
        self.group_ids = Column(pa.array([one.group_id for one in specimens], pa.string()))
        self.labels = Column(pa.array([one.label for one in specimens], pa.string()).dictionary_encode())
        self.image_digests = Column(pa.array([one.image or b"" for one in specimens], pa.binary()))
        self.dna_digests = Column(pa.array([barcode_digest(one.dna) for one in specimens], pa.binary()))
        self.layout = ClipbioLayout()
        self.bin_N = np.array([stable_hash("bin", one.bin) if one.bin else -1 for one in specimens], np.int64)
        self.taxon_NR = np.array([one.taxon.rank_keys for one in specimens], np.int64).reshape(-1, len(RANKS))


VALUES = {
    "specimen": lambda one: one.id,
    "group": lambda one: one.group_id,
    "image": lambda one: one.image,
    "barcode": lambda one: barcode_digest(one.dna),
    "bin": lambda one: one.bin,
    "species": lambda one: one.taxon.scientific_name or one.label,
    "genus": lambda one: one.taxon.genus,
}

any_specimen = st.builds(
    lambda identity, name, image, dna, code, group, label: record(
        identity, name, image=image, dna=dna, bin=code, group_id=group, label=label
    ),
    st.sampled_from([f"s{n}" for n in range(60)]),
    st.sampled_from(["", "Aus", "Aus bus", "Aus cus", "Dus bus"]),
    st.sampled_from([None, b"a", b"b", b"c"]),
    st.sampled_from(["", "ACG", "AC-GN", "TTT", "GGG"]),
    st.sampled_from(["", "B1", "B2"]),
    st.sampled_from(["", "g1", "g2", "g3"]),
    st.sampled_from(["", "Aus sp. 1", "Aus sp. 2"]),
)


@given(st.dictionaries(st.sampled_from(SPLITS), st.lists(any_specimen, max_size=8), max_size=5))
@settings(max_examples=100, deadline=None)
def test_the_audit_agrees_with_a_count_by_hand(table) -> None:
    parts = {name: SplitRows(name, FakeIndex(found_), np.arange(len(found_))) for name, found_ in table.items()}
    expected = {}
    for first, second in combinations([name for name in parts if table[name]], 2):
        for kind, value in VALUES.items():
            ones, others = ([value(one) for one in table[name]] for name in (first, second))
            if shared := {value for value in ones if value} & set(others):
                counts = (sum(value in shared for value in values) for values in (ones, others))
                expected[first, second, kind] = (len(shared), *counts, is_leak(kind, first, second))
    result = audit(parts)
    assert found(result) == expected
    for one in result.overlaps:
        value = VALUES[one.kind]
        for pair in one.examples:
            assert len(pair) == 2
            values = [
                {value(specimen) for specimen in table[name] if specimen.id == id_}
                for name, id_ in zip((one.first, one.second), pair)
            ]
            assert values[0] & values[1]
