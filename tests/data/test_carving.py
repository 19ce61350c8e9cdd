"""Which rows of `train` become `val`: groups whole, and no barcode on both sides."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clipbio.data.carving import carved
from clipbio.data.columns import Column
from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardFolder
from clipbio.data.sources import TableSource
from clipbio.data.splits import splits_of
from clipbio.seeding import derive_seed


def index(groups: Sequence[int], barcodes: Sequence[str] | None = None, species: Sequence[int] | None = None) -> Any:
    """Give each row a group, a barcode ("" for none) and a species (-1 for none)."""
    digests = [one.encode() for one in barcodes or [""] * len(groups)]
    return SimpleNamespace(
        group_N=np.array(groups, np.int64), dna_digests=Column(pa.array(digests, pa.binary())),
        taxon_NR=np.array(species or [-1] * len(groups), np.int64)[:, None],
    )  # fmt: skip


def sides(values: Sequence[Any], val_N: Any) -> tuple[set[Any], set[Any]]:
    named = [(value, bool(one)) for value, one in zip(values, val_N, strict=True) if value != ""]
    return {value for value, one in named if one}, {value for value, one in named if not one}


@pytest.mark.parametrize("barcodes", [None, [f"own-{row}" for row in range(300)]])
@pytest.mark.parametrize("seed", [0, 7])
def test_without_common_barcodes_the_first_groups_by_hash_are_chosen(seed: int, barcodes: list[str] | None) -> None:
    groups = [number // 3 * 11 for number in range(300)]
    chosen = sorted(set(groups), key=lambda group: derive_seed("val", seed, group))[:10]
    assert carved(index(groups, barcodes), 0.1, seed).tolist() == [group in chosen for group in groups]


def test_no_barcode_stands_on_both_sides() -> None:
    random = np.random.default_rng(0)
    groups = (np.arange(600) // 2).tolist()
    # A hundred haplotypes of twenty species, a third of the rows has none.
    haplotypes = random.integers(0, 100, 300).repeat(2)
    barcodes = [f"h{one}" if random.random() < 0.66 else "" for one in haplotypes]
    species = (haplotypes % 20).tolist()
    val_N = carved(index(groups, barcodes, species), 0.1, 0)
    for values in (barcodes, groups):
        val, train = sides(values, val_N)
        assert val
        assert not val & train
    assert len(sides(groups, val_N)[0]) == 30
    assert sides(species, val_N)[1] == set(species)


def test_a_species_with_one_barcode_stays_in_train() -> None:
    # Species 0 has 40 individuals of one barcode, species 1 has 60 of ten.
    barcodes = ["a"] * 40 + [f"b{number % 10}" for number in range(60)]
    species = [0] * 40 + [1] * 60
    for seed in range(5):
        val_N = carved(index(range(100), barcodes, species), 0.5, seed)
        assert sides(species, val_N)[0] == {1}


def test_one_barcode_of_most_leaves_the_choice_to_groups(caplog: pytest.LogCaptureFixture) -> None:
    barcodes = ["a"] * 60 + [f"own-{number}" for number in range(40)]
    with caplog.at_level(logging.WARNING):
        val_N = carved(index(range(100), barcodes), 0.1, 0)
    assert val_N.tolist() == carved(index(range(100)), 0.1, 0).tolist()
    assert "60 of 100" in caplog.text
    assert "shares barcodes" in caplog.text


def test_where_every_species_has_one_barcode_groups_decide(caplog: pytest.LogCaptureFixture) -> None:
    species = [number // 10 for number in range(100)]
    val_N = carved(index(range(100), [f"s{one}" for one in species], species), 0.1, 0)
    assert val_N.sum() == 10
    assert "shares barcodes" in caplog.text


def test_one_group_cannot_be_parted() -> None:
    assert carved(index([5, 5, 5]), 0.1, 0) is None


def test_pictures_with_lent_barcodes_are_parted_by_barcode(make_table: Callable[..., Path], tmp_path: Path) -> None:
    ranks = {"kingdom": "Animalia", "genus": "Pica"}
    rows = [
        {"specimen_id": f"S{n}", "image": f"images/{n}.jpg", "species": f"s{n % 4}", "dna": "ACGT" * 3 + "ACGT"[n % 2]
         + "ACGT"[n // 4 % 4] + "ACGT"[n % 4], "split": "train", **ranks}
        for n in range(64)
    ]  # fmt: skip
    prepare(TableSource(make_table(rows)), tmp_path / "out", progress=False)
    splits = splits_of(ShardFolder.open(tmp_path / "out"), val_share=0.2, seed=0)
    found = {name: {split.index.dna_digests[row] for row in split.rows} for name, split in splits.items()}
    assert found["val"]
    assert not found["val"] & found["train"]
