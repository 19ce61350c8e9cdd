"""What a continued stream reads: the specimens that are still to come, and nothing of what was consumed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_stream import MIXED, SPEC, data_of

from clipbio.data.datamodule import SpecimenData
from clipbio.data.manifest import ShardEntry
from clipbio.data.prepare import prepare
from clipbio.data.sources.table import TableSource
from clipbio.data.storage import ShardStorage
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.errors import ClipbioError
from clipbio.seeding import derive_seed, rng

MakeGarden = Callable[..., Path]


class Counting:
    """A storage that notes what is read."""

    def __init__(self, storage: ShardStorage) -> None:
        self.storage = storage
        self.reads: list[tuple[str, int]] = []

    def path(self, shard: ShardEntry) -> Path:
        return self.storage.path(shard)

    def read(self, shard: ShardEntry, start: int, length: int) -> bytes:
        self.reads.append((shard.path, start))
        return self.storage.read(shard, start, length)

    def name(self, shard: ShardEntry) -> str:
        return self.storage.name(shard)

    def close(self) -> None:
        self.storage.close()


@pytest.fixture
def two_sets(make_garden: MakeGarden, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A folder of ten train shards and streams of which one reads another folder, each with a weight."""
    for name, settings in (("main", {}), ("more", {"species": 3, "first": 6})):
        garden = make_garden(f"{name}-table", per_species=10, **settings)
        prepare(TableSource(garden), tmp_path / name, progress=False, samples_per_shard=4)
    streams = {"main": {"text": MIXED, "share": 3}, "more": {"root": str(tmp_path / "more"), "share": 1}}
    return tmp_path / "main", streams


def batches_and_reads(data: SpecimenData) -> tuple[list[Any], dict[str, list[tuple[str, int]]]]:
    """Return all batches, and what was read for each stream."""
    counting = {}
    for name, one in data.planned.items():
        one.split.index.storage = counting[name] = Counting(one.split.index.storage)
    batches = [batches["default"] for batches in data.train_dataloader()]
    return batches, {name: storage.reads for name, storage in counting.items()}


@pytest.mark.parametrize("consumed", [1, 5, 6])
def test_nothing_that_was_consumed_is_read_again(
    consumed: int, two_sets: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    root, streams = two_sets
    whole, all_reads = batches_and_reads(data_of(root, tmp_path, streams=streams))
    data = data_of(root, tmp_path, streams=streams)
    data.load_state_dict({"batches_consumed": consumed})
    rest, reads = batches_and_reads(data)
    assert [batch["ids"] for batch in rest] == [batch["ids"] for batch in whole[consumed:]]
    assert [batch["seeds"] for batch in rest] == [batch["seeds"] for batch in whole[consumed:]]
    for name, rows in (("main", 9), ("more", 3)):
        # One read for each row of each batch: what is left is the end of what the whole run reads.
        assert len(all_reads[name]) == rows * len(whole)
        assert reads[name] == all_reads[name][rows * consumed :]


def test_texts_of_finished_epochs_are_not_rendered_again(two_sets: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    root, streams = two_sets
    data = data_of(root, tmp_path, streams=streams)
    per_epoch = data.plan.batches_per_epoch
    every = sum(1 for _ in data.texts_of_run())
    data.load_state_dict({"batches_consumed": per_epoch + 1})
    left = [builder for group in data.builders.values() for builder in group]
    done = sum(b.plan.epoch_of(per_epoch + 1) * b.plan.batches_per_epoch * b.plan.batch_size for b in left)
    assert done > 0
    assert sum(1 for _ in data.texts_of_run()) == every - done


def test_the_seeds_of_a_batch_are_those_by_which_it_was_drawn(
    two_sets: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    root, streams = two_sets
    data = data_of(root, tmp_path, streams=streams)
    transform = ImageTransform(SPEC, Augmentation(scale=(0.5, 1.0), flip=0.5))
    batch = next(iter(data.train_dataloader()))["default"]
    index = data.split("train").index
    rows = {name: row for row, name in enumerate(index.ids)}
    for place in range(9):
        specimen = index.read(rows[batch["ids"][place]])
        expected = transform(specimen.image, rng("augmentation", batch["seeds"][place]))
        assert torch.equal(batch["inputs"]["image"][place], expected)
    assert batch["text_seeds"] == [derive_seed("text", seed) for seed in batch["seeds"]]
    assert len(set(batch["seeds"])) == 12


def test_a_position_belongs_to_its_data(two_sets: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    root, streams = two_sets
    state = data_of(root, tmp_path, streams=streams).state_dict()
    assert set(state["manifests"]) == {"data", "data.streams.more"}
    data_of(root, tmp_path, streams=streams).load_state_dict(state)
    for name in ("data", "data.streams.more"):
        other = state | {"manifests": state["manifests"] | {name: "0" * 16}}
        with pytest.raises(ClipbioError, match=rf"the data changed since the checkpoint was written \({name}: 0+ -> "):
            data_of(root, tmp_path, streams=streams).load_state_dict(other)
