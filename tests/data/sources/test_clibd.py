from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from clibd_files import GROUPS_1M, GROUPS_5M, record, write_clibd, write_one
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import encoded

from clipbio.data.prepare import prepare
from clipbio.data.sources import ClibdSource, expected_total
from clipbio.errors import ClipbioError


def test_the_1m_file_gives_each_record_once(tmp_path: Path) -> None:
    source = ClibdSource(write_clibd(tmp_path / "1m.hdf5", GROUPS_1M))
    assert {specimen.id: specimen.split for specimen in source} == {
        **{"N1": "train", "T1": "train", "V1": "val", "E1": "test", "V2": "val_unseen", "E2": "unseen"},
        **{"K1": "key", "K2": "key_unseen", "K3": "key_unseen"},
    }
    assert not source.defects
    assert expected_total(source) == 9
    assert [specimen.id for specimen in source] == [specimen.id for specimen in source]


def test_the_5m_file_gives_each_record_once_by_process_id(tmp_path: Path) -> None:
    path = write_clibd(tmp_path / "5m.hdf5", GROUPS_5M, five=True)
    source = ClibdSource(path)
    assert {specimen.id: specimen.split for specimen in source} == {
        **{"P-P1": "train", "P-T1": "train", "P-V1": "val", "P-E1": "test", "P-V2": "val_unseen", "P-E2": "unseen"},
        **{"P-K1": "key_unseen"},
    }
    assert not source.defects
    (heldout,) = ClibdSource(path, groups=["other_heldout"])
    assert (heldout.id, heldout.split, heldout.metadata["sampleid"]) == ("P-O1", "unseen", "O1")


@pytest.mark.parametrize("five", [False, True])
def test_a_record_comes_with_its_picture_when_wanted(tmp_path: Path, five: bool) -> None:
    path = write_clibd(tmp_path / "file.hdf5", {"val_seen": ["V1", "V2"]}, five=five)
    first, second = ClibdSource(path)
    assert callable(first.image)
    assert callable(second.image)
    assert (second.image(), first.image()) == (encoded(1), encoded(0))
    assert first.dna == "ACGTN"
    assert first.taxon.ranks == ("Animalia", "", "", "Diptera", "Phoridae", "Megaselia", "rufipes")
    assert first.metadata["image_file"] == "V1.jpg"
    assert first.metadata["published_split"] == "val_seen"


def test_provisional_and_missing_names(tmp_path: Path) -> None:
    rows = [record("A", species="Megaselia sp. 1ABC"), record("B", family="not_classified", species="not_classified")]
    first, second = ClibdSource(write_one(tmp_path / "file.hdf5", rows))
    assert (first.taxon.deepest, first.label) == (("genus", "Megaselia"), "Megaselia sp. 1ABC")
    assert (second.taxon.family, second.taxon.species, second.label) == ("", "", "")


def test_groups_that_overlap_are_read_once_and_counted(tmp_path: Path) -> None:
    path = write_clibd(tmp_path / "1m.hdf5", GROUPS_1M)
    source = ClibdSource(path, groups=["seen_keys", "all_keys"])
    assert [(specimen.id, specimen.metadata["published_split"]) for specimen in source] == [
        *(("K1", "seen_keys"), ("K2", "all_keys"), ("K3", "all_keys"))
    ]
    assert source.defects.counts == {"repeated_record": 1}
    assert source.defects.skipped == 0
    assert str(source.defects.of("repeated_record")[0]) == (
        "1m.hdf5 all_keys row 0: 'K1' is already in an earlier group"
    )


def test_byte_lengths_that_do_not_fit(tmp_path: Path) -> None:
    rows = [record(name) for name in "ABCDE"]
    rows[4] |= {"barcode": "not_classified", "sampleid": "E"}
    good = len(encoded(1))
    path = write_one(tmp_path / "file.hdf5", [*rows, record("B")], image_mask=[-1, good, 10**6, 0, 0, good])
    source = ClibdSource(path)
    assert {specimen.id: specimen.image is None for specimen in source} == {"B": False, "D": True}
    counts = {"broken_image": 2, "missing_image": 1, "no_image_no_dna": 1, "duplicate_id": 1}
    assert source.defects.counts == counts
    assert source.defects.skipped == 4, "a barcode without picture is kept"
    assert str(source.defects.of("broken_image")[1]).startswith("file.hdf5 val_seen row 2: its byte length 1000000")
    assert str(source.defects.of("duplicate_id")[0]).endswith("row 5: 'B' is already the id of row 1")
    assert expected_total(source) == 6


def test_a_broken_picture_is_a_defect_of_prepare(tmp_path: Path) -> None:
    path = write_one(tmp_path / "file.hdf5", [record("A"), record("B")], image_mask=[5, len(encoded(1))])
    source = ClibdSource(path)
    manifest = prepare(source, tmp_path / "shards", progress=False, max_defect_share=0.5)
    assert (manifest.samples, manifest.images) == (1, 1)
    assert source.defects.skipped == 1


def other_file(path: Path) -> str:
    write_clibd(path, {"val_seen": ["STOLEN"]})
    return str(path)


def a_linked_group(file: h5py.File, other: Path) -> None:
    file["val_seen"] = h5py.ExternalLink(other_file(other), "/val_seen")


def a_soft_link(file: h5py.File, other: Path) -> None:
    file["val_seen"] = h5py.SoftLink("/test_seen")


def a_linked_text(file: h5py.File, other: Path) -> None:
    del file["test_seen/barcode"]
    file["test_seen/barcode"] = h5py.ExternalLink(other_file(other), "/val_seen/barcode")


def external_storage(file: h5py.File, other: Path) -> None:
    other.write_bytes(b"secret" * 100)
    del file["test_seen/image"]
    file["test_seen"].create_dataset("image", (1, 600), dtype="u1", external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def virtual_storage(file: h5py.File, other: Path) -> None:
    shape = h5py.File(other_file(other))["val_seen/image"].shape
    layout = h5py.VirtualLayout(shape=shape, dtype="u1")
    layout[:] = h5py.VirtualSource(str(other), "val_seen/image", shape=shape)
    del file["test_seen/image"]
    file["test_seen"].create_virtual_dataset("image", layout)


def replaced(name: str, *arguments: Any, **settings: Any) -> Any:
    def change(file: h5py.File, other: Path) -> None:
        del file[f"test_seen/{name}"]
        file["test_seen"].create_dataset(name, *arguments, **settings)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (a_linked_group, "'val_seen' is a link to another place, which is not followed"),
        (a_soft_link, "'val_seen' is a link to another place"),
        (a_linked_text, "'barcode' is a link to another place"),
        (external_storage, "/test_seen/image is refused: its data lie in other files"),
        (virtual_storage, "/test_seen/image is refused: its data lie in other files"),
        (replaced("species", (1,), dtype=h5py.vlen_dtype(np.uint8)), "its type object is not text"),
        (replaced("species", (1,), dtype=h5py.ref_dtype), "its type object is not text"),
        (replaced("species", (1,), dtype=h5py.opaque_dtype(np.dtype("V9"))), "is not text of at most"),
        (replaced("species", (1,), dtype="S2000000"), "is not text of at most"),
        (replaced("image", (1, 2**27), dtype="u1"), "is not uint8 of at most 67108864 bytes a row"),
        (replaced("image", (1, 90), dtype="f4"), "is not uint8"),
        (replaced("image", (2**20, 2**10), dtype="u1", chunks=(2**20, 2**10)), "are larger than 268435456 bytes"),
        (replaced("image_mask", data=[1.5]), "is not a whole number"),
        (replaced("image_mask", (2**40,), dtype="i8", chunks=(1024,)), "is not 1 axes of at most"),
        (replaced("image_mask", data=[1, 2]), "the numbers of rows differ: /test_seen/image 1"),
    ],
)
def test_what_leaves_the_file_or_is_no_plain_data_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    path = write_clibd(tmp_path / "file.hdf5", {"test_seen": ["A"]})
    with h5py.File(path, "a") as file:
        change(file, tmp_path / "other.hdf5")
    with pytest.raises(ClipbioError, match=message):
        list(ClibdSource(path))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clibd(tmp_path / "file.hdf5", GROUPS_1M)
    with pytest.raises(ClipbioError, match="is no file"):
        ClibdSource(tmp_path / "none.hdf5")
    with pytest.raises(ClipbioError, match="did you mean 'val_seen'"):
        ClibdSource(path, groups=["val_sen"])
    with pytest.raises(ClipbioError, match=r"has no 'unseen_keys'; did you mean 'seen_keys'"):
        ClibdSource(path, groups=["unseen_keys"])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ClipbioError, match="cannot be read as HDF5"):
        ClibdSource(path)
    path.write_bytes(b"not HDF5")
    with pytest.raises(ClipbioError, match="cannot be read as HDF5"):
        ClibdSource(path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ClipbioError, match=r"pip install 'clipbio\[hdf5\]'"):
        ClibdSource(path)


def test_a_file_without_groups_of_a_split(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match=r"no group of a published split; it has: all_keys"):
        ClibdSource(write_clibd(tmp_path / "file.hdf5", {"all_keys": ["K1"]}))
    path = write_clibd(tmp_path / "no_ids.hdf5", {"val_seen": ["V1"]})
    with h5py.File(path, "a") as file:
        del file["val_seen/sampleid"]
    with pytest.raises(ClipbioError, match="neither processid nor sampleid"):
        ClibdSource(path)


def test_the_fingerprint_follows_file_and_groups(tmp_path: Path) -> None:
    path = write_clibd(tmp_path / "file.hdf5", GROUPS_1M)
    first = ClibdSource(path).fingerprint()
    assert ClibdSource(path).fingerprint() == first
    assert ClibdSource(path, groups=["val_seen"]).fingerprint() != first
    write_clibd(path, GROUPS_1M | {"val_seen": ["V1", "V9"]})
    assert ClibdSource(path).fingerprint() != first


LENGTHS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2000))


@given(records=st.lists(st.tuples(LENGTHS, st.binary(max_size=8), st.binary(max_size=8)), min_size=1, max_size=5))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_length_and_no_text_breaks_the_reading(tmp_path: Path, records: list[tuple[int, bytes, bytes]]) -> None:
    lengths, ids, names = zip(*records, strict=True)
    changed = {"sampleid": np.array(ids, dtype="S8"), "species": np.array(names, dtype="S8"), "image_mask": lengths}
    path = write_one(tmp_path / "file.hdf5", [record(str(number)) for number in range(len(records))], **changed)
    source = ClibdSource(path)
    found = list(source)
    assert len(found) + source.defects.skipped == len(records)
    for specimen in found:
        if callable(specimen.image):
            assert isinstance(specimen.image(), bytes)
