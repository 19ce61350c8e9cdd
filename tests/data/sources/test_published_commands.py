"""The published data sets through `python -m clipbio prepare source=NAME`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bioscan_tables import PARTITIONS, row_1m, row_5m, write_1m, write_5m
from clibd_files import GROUPS_5M, write_clibd

from clipbio.cli import main
from clipbio.data.manifest import Manifest


def a_bioscan1m(root: Path) -> str:
    return f"source.root={write_1m(root, [row_1m(name) for name in PARTITIONS], {name: [name] for name in PARTITIONS})}"


def a_bioscan5m(root: Path) -> str:
    return f"source.root={write_5m(root, [row_5m('A1', 'pretrain', '0f'), row_5m('A2', 'test_unseen')])}"


def a_clibd_file(root: Path) -> str:
    root.mkdir()
    return f"source.path={write_clibd(root / 'clibd.hdf5', GROUPS_5M, five=True)}"


@pytest.mark.parametrize(
    ("name", "write", "samples"),
    [
        ("bioscan1m", a_bioscan1m, {"train": 3, "val": 1, "test": 1, "unseen": 1, "val_unseen": 1, "key": 1, "key_unseen": 2}),
        ("bioscan5m", a_bioscan5m, {"train": 1, "unseen": 1}),
        ("clibd", a_clibd_file, {"train": 2, "val": 1, "test": 1, "unseen": 1, "val_unseen": 1, "key_unseen": 1}),
    ],
)  # fmt: skip
def test_the_command_makes_shards(
    tmp_path: Path, name: str, write: Callable[[Path], str], samples: dict[str, int]
) -> None:
    out = tmp_path / "shards"
    assert main(["prepare", f"source={name}", write(tmp_path / "data"), f"out={out}"]) == 0
    splits = Manifest.load(out).splits
    assert {split: counts["samples"] for split, counts in splits.items()} == samples


def test_parts_of_clibd_make_what_one_preparation_makes(tmp_path: Path) -> None:
    setting = a_clibd_file(tmp_path / "data")
    for name, more in (("serial", []), ("parallel", ["parts=3"])):
        assert main(["prepare", "source=clibd", setting, f"out={tmp_path / name}", *more]) == 0
    serial, parallel = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.tar")}
        for name in ("serial", "parallel")
    )
    assert serial
    assert serial == parallel
