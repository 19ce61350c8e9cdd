"""The streams: the same global order for any number of processes and workers, and exact evaluation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clipbio.data.datamodule import SpecimenData
from clipbio.data.inputs import ImageInput, TextInput
from clipbio.data.stream import TrainStream, loader
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.embed import Collector, embed
from clipbio.models.trunks import ImageSpec
from clipbio.text import TextRegime

MakeGarden = Callable[..., Path]
MIXED = TextRegime({"common": 1, "taxonomic": 1, "description": 1})
SPEC = ImageSpec(size=(16, 16), mean=(0.5,) * 3, std=(0.5,) * 3)


def tokens(texts: list[str]) -> torch.Tensor:
    """Give each text its letters."""
    return torch.tensor([[ord(letter) for letter in text[:40].ljust(40)] for text in texts])


def data_of(
    root: Path,
    tmp_path: Path,
    *,
    world: World | None = None,
    workers: int = 0,
    seed: int = 0,
    context: str | None = None,
    batch_size: int = 12,
    streams: dict[str, Any] | None = None,
) -> SpecimenData:
    streams = {"main": {"text": MIXED}} if streams is None else streams
    data = SpecimenData(
        streams, root=str(root), cache_dir=str(tmp_path / "cache"), batch_size=batch_size, num_workers=workers,
        worker_context=context, max_skipped_share=0.5,
    )  # fmt: skip
    data.plan_run(seed=seed, steps=lambda plan: 2 * plan.batches_per_epoch + 1, world=world or World())
    image = ImageInput(ImageTransform(SPEC, Augmentation(scale=(0.5, 1.0), flip=0.5)))
    data.attach(image=image, evaluation_image=ImageInput(ImageTransform(SPEC)), text=TextInput(tokens))
    return data


def seen(data: SpecimenData) -> list[tuple[int, list[str], torch.Tensor, torch.Tensor]]:
    return [
        (batch["step"], batch["ids"], batch["inputs"]["image"], batch["inputs"]["text"])
        for batch in (batches["default"] for batches in data.train_dataloader())
    ]


@pytest.mark.parametrize(
    ("size", "workers", "context"), [(1, 1, None), (1, 2, None), (2, 0, None), (3, 2, None), (2, 1, "spawn")]
)
def test_the_run_is_the_same_for_any_number_of_processes_and_workers(
    size: int, workers: int, context: str | None, make_garden: MakeGarden, tmp_path: Path
) -> None:
    garden = make_garden(species=4, per_species=10)
    whole = seen(data_of(garden, tmp_path))
    parts = [
        seen(
            data_of(
                garden, tmp_path, world=World(rank=rank, size=size, local_size=size), workers=workers, context=context
            )
        )
        for rank in range(size)
    ]
    assert [step for step, *_ in whole] == list(range(len(whole)))
    for number, (step, ids, images, texts) in enumerate(whole):
        ours = [part[number] for part in parts]
        assert all(piece[0] == step for piece in ours)
        assert [id_ for piece in ours for id_ in piece[1]] == ids
        assert torch.equal(torch.cat([piece[2] for piece in ours]), images)
        assert torch.equal(torch.cat([piece[3] for piece in ours]), texts)


def test_seeds_differ_epochs_differ_and_no_specimen_repeats_in_an_epoch(
    make_garden: MakeGarden, tmp_path: Path
) -> None:
    garden = make_garden(species=4, per_species=10)
    data = data_of(garden, tmp_path)
    ids = [id_ for _, batch, *_ in seen(data) for id_ in batch]
    per_epoch = data.plan.batches_per_epoch * 12
    first, second = ids[:per_epoch], ids[per_epoch : 2 * per_epoch]
    assert len(set(first)) == len(first)
    assert len(set(second)) == len(second)
    assert first != second
    assert [id_ for _, batch, *_ in seen(data_of(garden, tmp_path, seed=1)) for id_ in batch] != ids


def test_a_continued_stream_goes_on_where_it_stood(make_garden: MakeGarden, tmp_path: Path) -> None:
    garden = make_garden(species=4, per_species=10)
    whole = seen(data_of(garden, tmp_path))
    for workers in (0, 2):
        data = data_of(garden, tmp_path, workers=workers)
        data.load_state_dict({"batches_consumed": 4})
        rest = seen(data)
        assert [(step, ids) for step, ids, *_ in rest] == [(step, ids) for step, ids, *_ in whole[4:]]
        assert all(torch.equal(one[2], other[2]) for one, other in zip(rest, whole[4:], strict=True))


def test_substitutes_keep_batches_full_and_equal(make_garden: MakeGarden, tmp_path: Path) -> None:
    garden = make_garden(species=4, per_species=10)
    for path in sorted((garden / "images").glob("train-*"))[::9]:
        path.write_bytes(path.read_bytes()[:-300])
    damaged = {path.stem for path in sorted((garden / "images").glob("train-*"))[::9]}
    whole = seen(data_of(garden, tmp_path))
    parts = [seen(data_of(garden, tmp_path, world=World(rank=rank, size=2))) for rank in range(2)]
    for number, (_, ids, *_rest) in enumerate(whole):
        assert len(ids) == 12
        assert not damaged & set(ids)
        assert [id_ for part in parts for id_ in part[number][1]] == ids


@pytest.mark.parametrize(("size", "workers"), [(1, 0), (2, 2), (3, 1), (5, 0)])
def test_evaluation_sees_each_specimen_exactly_once(
    size: int, workers: int, make_garden: MakeGarden, tmp_path: Path
) -> None:
    garden = make_garden(species=3, per_species=7)
    broken = garden / "images" / "test-1-1.jpg"
    broken.write_bytes(broken.read_bytes()[:-300])
    pieces = []
    for rank in range(size):
        world = World(rank=rank, size=size, local_size=size)
        data = data_of(garden, tmp_path, world=world, workers=workers, batch_size=2 * size)
        collector = Collector("test", data.split("test").rows)
        pieces.append(embed(COLOUR, data.evaluation_loader("test"), collector, device=torch.device("cpu")))
    joined = Collector("test", data.split("test").rows)
    for piece in pieces:
        joined.parts += piece.parts
        joined.skipped += piece.skipped
    rows, vectors, present, skipped = joined.gather()
    assert len(rows) == 20
    assert list(skipped) == ["test-1-1"]
    assert list(present) == ["image"]
    assert bool(present["image"].all())
    index = data.split("test").index
    expected = torch.stack([mean_colour(ImageTransform(SPEC)(index.read(int(row)).image)[None])[0] for row in rows])
    assert torch.allclose(vectors["image"], expected)


def mean_colour(pixels_BCHW: torch.Tensor) -> torch.Tensor:
    return pixels_BCHW.float().mean(dim=(2, 3))


COLOUR = {"image": mean_colour}


def test_a_missing_or_doubled_row_is_an_error() -> None:
    for rows in ([0, 1, 2], [0, 1, 2, 3, 3]):
        collector = Collector("test", np.arange(4))
        present = torch.ones(len(rows), dtype=torch.bool)
        collector.add(
            {"rows_B": torch.tensor(rows), "inputs": {}, "present": {"image": present}, "skipped": []},
            {"image": torch.zeros(len(rows), 2)},
        )
        with pytest.raises(ClipbioError, match=r"split 'test': \d rows were evaluated, 4 distinct ones were due"):
            collector.gather()


def test_vectors_that_are_not_finite_are_one_line() -> None:
    collector = Collector("test", np.arange(3))
    present = {"image": torch.tensor([True, True, True]), "dna": torch.tensor([True, False, True])}
    image_BD, dna_bD = torch.zeros(3, 2), torch.tensor([[0.0, torch.nan], [torch.inf, torch.nan]])
    collector.add(
        {"rows_B": torch.arange(3), "inputs": {}, "present": present, "skipped": []}, {"image": image_BD, "dna": dna_bD}
    )
    with pytest.raises(ClipbioError, match=r"'test': the vectors of 2 specimens \(dna\) of 3 are not finite"):
        collector.gather()


def test_val_is_carved_out_by_group_and_the_same_for_every_run_seed(make_garden: MakeGarden, tmp_path: Path) -> None:
    garden = make_garden(species=4, per_species=10)
    first, second = (data_of(garden, tmp_path, seed=seed).splits for seed in (0, 1))
    assert {name: len(split) for name, split in first.items()} == {"train": 36, "test": 40, "val": 4}
    assert np.array_equal(first["val"].rows, second["val"].rows)
    assert not set(first["val"].rows) & set(first["train"].rows)


def test_individuals_are_never_parted(make_garden: MakeGarden, tmp_path: Path) -> None:
    garden = make_garden(species=4, per_species=10)
    table = garden / "specimens.csv"
    head, *lines = table.read_text().splitlines()
    grouped = [f"{line},individual-{number // 5}" for number, line in enumerate(lines)]
    table.write_text("\n".join([f"{head},group_id", *grouped]) + "\n")
    splits = data_of(garden, tmp_path).splits
    groups = {name: set(split.index.group_N[split.rows]) for name, split in splits.items() if name != "test"}
    assert not groups["train"] & groups["val"]
    assert len(splits["val"]) % 5 == 0


def test_unknown_splits_are_told(make_garden: MakeGarden, tmp_path: Path) -> None:
    garden = make_garden()
    with pytest.raises(ClipbioError, match="no split 'tset'; did you mean 'test'"):
        data_of(garden, tmp_path).split("tset")


@pytest.mark.parametrize(("batch_bytes", "ahead"), [(0, 4), (2**20, 4), (2**27, 2), (2**30, 1)])
def test_fewer_batches_are_made_ahead_where_they_are_large(batch_bytes: int, ahead: int) -> None:
    stream = TrainStream({}, world=World(), start=0, stop=0)
    assert loader(stream, num_workers=1, batch_bytes=batch_bytes).prefetch_factor == ahead
