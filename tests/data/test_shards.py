from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tables import PICA, MakeTable, encoded, rows_of

from clipbio.data.manifest import Manifest
from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardError, ShardFolder, ShardIndex, default_cache_dir, resolve
from clipbio.data.sources import TableSource
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon, stable_hash

OENANTHE = {"genus": "Oenanthe", "species": "javanica"}


@pytest.fixture
def seven(make_table: MakeTable, tmp_path: Path) -> Path:
    """Seven samples in three shards."""
    rows = [row | {"label": f"l{i % 2}", "bin": "B1" if i else ""} for i, row in enumerate(rows_of(7))]
    prepare(TableSource(make_table(rows)), tmp_path / "shards", samples_per_shard=3, progress=False)
    return tmp_path / "shards"


def test_rows_are_read_in_any_order(seven: Path, tmp_path: Path) -> None:
    index = ShardFolder.open(seven).index("train")
    assert [shard.samples for shard in index.shards] == [3, 3, 1]
    assert index.shard_N.tolist() == [0, 0, 0, 1, 1, 1, 2]
    for row in (6, 0, 3, np.int64(2), 0):
        specimen = index.read(row)
        assert specimen.id == index.ids[row] == f"bird-{row}"
        assert specimen.image == (tmp_path / f"table/images/{row}.jpg").read_bytes()
        assert index.read(row, image=False).image is None
        assert index.read(row, image=False).taxon == specimen.taxon
    with pytest.raises(IndexError):
        index.read(7)


def test_places_of_images_in_their_shards(seven: Path, make_table: MakeTable, tmp_path: Path) -> None:
    index = ShardFolder.open(seven).index("train")
    for row in (6, 0, -1):
        path, start, size = index.image_place(row) or pytest.fail("there is no place")
        assert path.parent == seven or seven in path.parents
        assert path.read_bytes()[start : start + size] == index.read(row).image
    without = make_table([{**rows_of(1)[0], "image": "", "dna": "ACGT"}], "without")
    assert resolve(without, tmp_path / "cache", progress=False).index("train").image_place(0) is None


def test_columns_name_the_same_things_everywhere(seven: Path) -> None:
    index = ShardFolder.open(seven).index("train")
    pica = Taxon.from_mapping(PICA)
    assert len(index) == len(index.ids) == 7
    assert list(index.ids[2:4]) == ["bird-2", "bird-3"]
    assert index.taxa == (pica,)
    assert index.taxon_NR[:].tolist() == [list(pica.rank_keys)] * 7
    assert list(index.labels) == ["l0", "l1"] * 3 + ["l0"]
    assert index.bin_N[:].tolist() == [-1] + [stable_hash("bin", "B1")] * 6
    assert len(set(index.group_N.tolist())) == 7
    assert len(set(index.image_digests)) == 7
    assert {len(digest) for digest in index.image_digests} == {16}


def test_groups_and_missing_images(make_table: MakeTable, tmp_path: Path) -> None:
    rows = [row | {"dna": "ACGT", "group_id": group} for row, group in zip(rows_of(4), ["g", "", "g", ""], strict=True)]
    rows[1]["image"] = ""
    index = resolve(make_table(rows), tmp_path / "cache", progress=False).index("train")
    first, second, third, fourth = index.group_N.tolist()
    assert first == third
    assert len({first, second, fourth}) == 3
    assert [bool(digest) for digest in index.image_digests] == [True, False, True, True]


def test_splits_have_their_own_taxa(make_table: MakeTable, tmp_path: Path) -> None:
    plant = {"kingdom": "Plantae", **OENANTHE}
    rows = [row | (plant | {"split": "unseen"} if i % 2 else {"split": "train"}) for i, row in enumerate(rows_of(6))]
    folder = resolve(make_table(rows), tmp_path / "cache", progress=False)
    assert folder.splits == {"train": 3, "unseen": 3}
    assert [taxon.scientific_name for taxon in folder.taxa] == ["Pica hudsonia", "Oenanthe javanica"]
    train, unseen = folder.index("train"), folder.index("unseen")
    assert list(unseen.ids) == ["bird-1", "bird-3", "bird-5"]
    assert [taxon.scientific_name for taxon in unseen.taxa] == ["Oenanthe javanica"]
    assert len(train.taxa) == 1
    assert unseen.read(2).split == "unseen"
    with pytest.raises(ClipbioError, match="no split 'test'; valid are: train, unseen"):
        folder.index("test")


def test_texts_of_the_species_follow_own_texts(make_table: MakeTable, tmp_path: Path) -> None:
    names = [{"scientific_name": "Pica hudsonia", "common_name": name} for name in ("Elster", "Magpie", "Elster")]
    rows = rows_of(2, common_name="")
    rows[0]["common_name"] = "Magpie"
    index = resolve(make_table(rows, common_names=names), tmp_path / "cache", progress=False).index("train")
    for image in (True, False):
        assert index.read(0, image=image).common_names == ("Magpie", "Elster")
        assert index.read(1, image=image).common_names == ("Elster", "Magpie")


def test_hemihomonyms_do_not_share_texts(make_table: MakeTable, tmp_path: Path) -> None:
    plant, bird = ({"kingdom": kingdom, **OENANTHE} for kingdom in ("Plantae", "Animalia"))
    first, second, third = rows_of(3)
    rows = [first | plant, second | bird, third | OENANTHE | {"kingdom": ""}]
    texts = [
        {"scientific_name": "Oenanthe javanica", "kingdom": "Plantae", "description": "umbels"},
        {"scientific_name": "Oenanthe javanica", "kingdom": "animalia", "description": "wings"},
        {"scientific_name": "Oenanthe javanica", "kingdom": "", "description": "of whom?"},
        {"scientific_name": "Acer rubrum", "kingdom": "", "description": "nobody here"},
    ]
    folder = resolve(make_table(rows, descriptions=texts), tmp_path / "cache", progress=False)
    index = folder.index("train")
    assert [index.read(row).descriptions for row in range(3)] == [("umbels",), ("wings",), ()]
    counts = {kind: entry["count"] for kind, entry in folder.manifest.defects.items()}
    assert counts == {"ambiguous_text": 1, "text_without_specimen": 1}
    assert "Animalia and Plantae" in folder.manifest.defects["ambiguous_text"]["first"][0]


def test_a_text_without_kingdom_fits_where_one_kingdom_bears_the_name(make_table: MakeTable, tmp_path: Path) -> None:
    rows = rows_of(2)
    rows[1]["kingdom"] = ""
    texts = [{"scientific_name": "Pica hudsonia", "description": "long tail"}]
    index = resolve(make_table(rows, descriptions=texts), tmp_path / "cache", progress=False).index("train")
    assert [index.read(row).descriptions for row in range(2)] == [("long tail",)] * 2


def test_records_are_kept_when_no_image_is_wanted(seven: Path) -> None:
    index = ShardFolder.open(seven).index("train")
    assert index.read(4, image=False) is index.read(4, image=False)
    shutil.rmtree(seven / "train")
    index.close()
    with pytest.raises(ShardError, match=r"shard-000001\.tar.*cannot be read"):
        index.read(4, image=False)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data.replace(b'"Pica"', b'"Pixa"'), "the record of 'bird-4' says .* Pixa"),
        (lambda data: data.replace(b'"species":"hudsonia"', b'"spacies":"hudsonia"'), "the index .*Pica hudsonia"),
        (lambda data: data.replace(b'"specimen_id"', b'"specimen_ID"'), "the record has no 'specimen_id'"),
        (lambda data: data.replace(b"bird-4", b"bird-X"), "is of specimen 'bird-X', the index says 'bird-4'"),
        (lambda data: data.replace(b'{"', b"{{"), "the record cannot be read"),
        (lambda data: data.replace(b"000000004.json", b"000000004.jso_"), "no tar header"),
        (lambda data: data[:2000], "ends .* bytes too early"),
    ],
)
@pytest.mark.parametrize("image", [True, False])
def test_damage_names_shard_and_key(seven: Path, damage: Any, message: str, image: bool) -> None:
    index = ShardFolder.open(seven).index("train")
    path = seven / index.shards[1].path
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ShardError, match=message) as caught:
        index.read(4, image=image)
    assert "shard-000001.tar, key 000000004" in str(caught.value)
    assert "clipbio check" in str(caught.value)


def test_flipped_bits_never_raise_anything_else(seven: Path) -> None:
    path = seven / "train/shard-000001.tar"
    sound, generator = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(120):
        data = bytearray(sound)
        data[generator.integers(0, 6000)] ^= 1 << int(generator.integers(0, 8))
        path.write_bytes(bytes(data))
        index = ShardFolder.open(seven).index("train")
        for image in (True, False):
            try:
                index.read(3, image=image)
            except ShardError:
                refused += 1
    assert refused > 8


def test_truncated_and_missing_shards_are_refused_at_once(seven: Path) -> None:
    shard = seven / "train/shard-000002.tar"
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(ShardError, match=r"shard-000002\.tar has 1000 bytes, the manifest says \d+: truncated"):
        ShardFolder.open(seven)
    shard.unlink()
    with pytest.raises(ShardError, match=r"shard-000002\.tar is missing"):
        ShardFolder.open(seven)


def test_an_index_that_leaves_its_shard_is_refused(seven: Path) -> None:
    values = json.loads((seven / "manifest.json").read_text())
    values["shards"][0]["samples"] = 4
    (seven / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(ShardError, match="disagree about split train"):
        ShardFolder.open(seven).index("train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "schema version 99"),
        (
            {"shards": [{"path": "../../x.tar", "split": "train", "samples": 1, "bytes": 1, "sha256": ""}]},
            "inside the folder",
        ),
        ({"files": {}}, "no entry for index.parquet"),
        ({"shards": 3}, "is damaged"),
    ],
)
def test_a_manifest_that_cannot_be_trusted(seven: Path, change: dict[str, Any], message: str) -> None:
    values = json.loads((seven / "manifest.json").read_text())
    (seven / "manifest.json").write_text(json.dumps(values | change))
    with pytest.raises(ShardError, match=message):
        ShardFolder.open(seven)


def test_a_folder_without_manifest_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "000.tar").write_bytes(b"")
    with pytest.raises(ShardError, match=r"no manifest\.json; make one with 'python -m clipbio prepare"):
        ShardFolder.open(tmp_path)


def test_the_hash_stands_for_the_content(seven: Path, make_table: MakeTable, tmp_path: Path) -> None:
    manifest = Manifest.load(seven)
    other = prepare(TableSource(make_table(rows_of(2), "second")), tmp_path / "other", progress=False)
    assert manifest.hash == Manifest.load(seven).hash
    assert manifest.hash != other.hash


def _ids_and_sizes(index: ShardIndex, start: str) -> list[tuple[str, int]]:
    from torch.utils.data import DataLoader

    workers = 2 if start == "fork" else 1  # a spawned worker imports torch anew
    loader = DataLoader(_Rows(index), batch_size=None, num_workers=workers, multiprocessing_context=start)
    return [(name, size) for name, size in loader]


class _Rows:
    def __init__(self, index: ShardIndex) -> None:
        self.index = index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, row: int) -> tuple[str, int]:
        specimen = self.index.read(row)
        assert isinstance(specimen.image, bytes)
        return specimen.id, len(specimen.image)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_read_with_their_own_handles(seven: Path, start: str) -> None:
    index = ShardFolder.open(seven).index("train")
    here = [_Rows(index)[row] for row in range(7)]  # the handles are open before the workers start
    assert _ids_and_sizes(index, start) == here


def test_an_index_travels_without_handles_and_records(seven: Path) -> None:
    index = ShardFolder.open(seven).index("train")
    index.read(0)
    index.read(1, image=False)
    copy = pickle.loads(pickle.dumps(index))
    assert copy.read(5) == index.read(5)
    assert copy.group_N.tolist() == index.group_N.tolist()
    size = len(pickle.dumps(index))
    index.close()
    assert len(pickle.dumps(index)) == size


def test_resolve_takes_shards_and_tables(seven: Path, make_table: MakeTable, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert resolve(seven, cache).root == seven
    assert not cache.exists()
    table = make_table(rows_of(2), "two")
    first = resolve(table, cache, progress=False)
    assert first.root.parent == cache / "shards"
    stamp = (first.root / "manifest.json").stat().st_mtime_ns
    assert resolve(table, cache, progress=False).root == first.root
    assert (first.root / "manifest.json").stat().st_mtime_ns == stamp
    assert resolve(table, cache, progress=False, samples_per_shard=1).root != first.root
    (table / "images/0.jpg").write_bytes(encoded(99))
    os.utime(table / "images/0.jpg", ns=(5, 5))
    changed = resolve(table, cache, progress=False)
    assert changed.index("train").read(0).image == encoded(99)


def test_resolve_makes_damaged_shards_again(make_table: MakeTable, tmp_path: Path) -> None:
    table = make_table(rows_of(2))
    folder = resolve(table, tmp_path / "cache", progress=False)
    shard = folder.root / "train/shard-000000.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:700])
    resolve(table, tmp_path / "cache", progress=False)
    assert shard.read_bytes() == whole


def test_resolve_cleans_up_after_a_killed_process(make_table: MakeTable, tmp_path: Path) -> None:
    table = make_table(rows_of(1))
    folder = resolve(table, tmp_path / "cache", progress=False).root
    shutil.rmtree(folder)
    left = folder.with_name(f".{folder.name}.0123.partial")
    left.mkdir()
    resolve(table, tmp_path / "cache", progress=False)
    assert not left.exists()


def test_a_cache_that_cannot_be_written(make_table: MakeTable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClipbioError, match="set cache_dir="):
        resolve(make_table(rows_of(1)), tmp_path / "file", progress=False)


def test_resolve_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(
        ClipbioError, match=r"neither a shard folder \(manifest\.json, or tars\) nor .*specimens\.csv,.*\.parquet"
    ):
        resolve(tmp_path)
    with pytest.raises(ClipbioError, match="is not a folder"):
        resolve(tmp_path / "none")


def test_the_cache_follows_the_users_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "clipbio"


def _resolve_at_once(table: Path, cache: Path, barrier: Any, answers: Any) -> None:
    from clipbio.data import shards

    prepared = []
    real = shards.prepare
    shards.prepare = lambda *args, **more: prepared.append(1) or real(*args, **more)  # type: ignore[func-returns-value]
    barrier.wait()
    folder = resolve(table, cache, progress=False)
    answers.put((len(prepared), folder.splits, str(folder.root)))


def test_two_processes_prepare_once(make_table: MakeTable, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(2), context.Queue()
    arguments = (make_table(rows_of(20)), tmp_path / "cache", barrier, answers)
    processes = [context.Process(target=_resolve_at_once, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    told = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(count for count, *_ in told) == [0, 1]
    assert told[0][1:] == told[1][1:]
    assert told[0][1] == {"train": 20}


def test_birds_are_read_whole(shared_data: Path, tmp_path: Path) -> None:
    folder = resolve(shared_data / "birds", tmp_path, progress=False)
    assert folder.splits == {"train": 1843, "test": 1919, "unseen": 951}
    assert sum(folder.splits.values()) == folder.manifest.samples == 4713
    assert (folder.manifest.taxa, folder.manifest.defects) == (80, {})
    train, unseen = folder.index("train"), folder.index("unseen")
    assert (len(train.taxa), len(unseen.taxa)) == (64, 16)
    assert not set(train.taxa) & set(unseen.taxa)
    specimen = unseen.read(0)
    assert specimen.common_names
    assert specimen.image == (shared_data / "birds" / _image_of(shared_data / "birds", specimen.id)).read_bytes()
    described = {taxon for row, taxon in enumerate(train.taxon_N) if train.read(row, image=False).descriptions}
    assert len(described) == 59


def test_leeds_butterflies_have_masks(shared_data: Path, tmp_path: Path) -> None:
    folder = resolve(shared_data / "leeds-butterflies", tmp_path, progress=False)
    assert folder.splits == {"train": 577, "val": 86, "test": 169}
    assert folder.manifest.masks == 832
    specimen = folder.index("val").read(0)
    assert isinstance(specimen.mask, bytes)
    assert specimen.mask.startswith(b"\x89PNG")
    assert specimen.descriptions


def _image_of(root: Path, name: str) -> Path:
    return next(specimen.image for specimen in TableSource(root) if specimen.id == name)  # type: ignore[return-value]
