"""Training directly on foreign shards: the same batches for any number of workers."""

from __future__ import annotations

from pathlib import Path

import torch
from foreign import tree_of_life
from test_stream import data_of, seen, tokens

from clipbio.text import TextRegime


def test_batches_are_read_from_foreign_shards(tmp_path: Path) -> None:
    root = tree_of_life(tmp_path / "tol")
    streams = {"main": {"text": TextRegime({"scientific": 1, "taxonomic_common": 1})}}
    runs = [seen(data_of(root, tmp_path, workers=workers, streams=streams)) for workers in (0, 2)]
    for one, other in zip(*runs, strict=True):
        assert one[:2] == other[:2]
        assert torch.equal(one[2], other[2])
        assert torch.equal(one[3], other[3])
    data = data_of(root, tmp_path, streams=streams)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 30, "val": 6}
    first_epoch = [id_ for _, ids, *_ in runs[0][:2] for id_ in ids]
    assert len(set(first_epoch)) == 24
    expected = tokens([f"a photo of Pica {name}." for name in ("hudsonia", "pica", "nuttalli", "bottanensis")])
    scientific = [row for _, _, _, texts in runs[0] for row in texts if any(torch.equal(row, one) for one in expected)]
    assert scientific
    assert not next(iter(data.train_dataloader()))["default"]["skipped"]
    assert sum(len(batch["rows_B"]) for batch in data.evaluation_loader("val")) == 6
