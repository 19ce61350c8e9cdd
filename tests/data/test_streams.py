"""Several streams: how the batch is dealt, what each may show, and the same run for any number of processes."""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gardens import write_garden
from test_stream import MIXED, data_of

from clipbio.data.datamodule import SpecimenData
from clipbio.data.streams import Stream, check_divisible, check_streams, deal, read_streams, stream_seed
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.text import TextRegime

MakeGarden = Callable[..., Path]
CAPTIONS = TextRegime({"description": 1})


def shares(**values: float) -> dict[str, Stream]:
    return {name: Stream(MIXED, share=share) for name, share in values.items()}


@pytest.mark.parametrize(
    ("batch_size", "given", "sizes"),
    [
        (12, {"a": 1}, [12]),
        (12, {"a": 3, "b": 1}, [9, 3]),
        (10, {"a": 1, "b": 1, "c": 1}, [4, 3, 3]),
        (10, {"a": 0.1, "b": 0.2, "c": 0.7}, [1, 2, 7]),
        (3136, {"a": 2816, "b": 320}, [2816, 320]),
        (7, {"a": 5, "b": 1, "c": 1}, [5, 1, 1]),
    ],
)
def test_a_batch_is_dealt_by_largest_remainder(batch_size: int, given: dict[str, float], sizes: list[int]) -> None:
    assert list(deal(batch_size, shares(**given)).values()) == sizes


def test_a_batch_that_cannot_be_dealt_is_refused() -> None:
    with pytest.raises(ClipbioError, match=r"data\.streams\.b\.share=1 of 100 gives it no row of data\.batch_size=12"):
        deal(12, shares(a=99, b=1))
    with pytest.raises(
        ClipbioError, match=r"has 9 of the 12 rows .* divided by 2 processes: set .*a.share=10 .*b.share=2"
    ):
        check_divisible(12, shares(a=3, b=1), 2)
    with pytest.raises(ClipbioError, match=r"batch_size=13 is the global batch and cannot be divided by 2 .*: take 12"):
        check_divisible(13, shares(a=3, b=1), 2)
    check_divisible(12, shares(a=10, b=2), 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shar": 2}, "replay.shar is no setting of a stream; did you mean 'share'"),
        ({"share": 0}, "replay.share=0 must be a number above 0"),
        ({"loss_weight": "heavy"}, "replay.loss_weight=heavy must be a number"),
        ({"sampling": "balance"}, "replay.sampling='balance' is unknown; did you mean 'balanced'"),
        ({"split": "test"}, "replay.split=test: training reads the split train alone"),
        ({"projection": "a.b"}, "replay.projection='a.b' must be a name without dots"),
        (
            {"loss_weight": 0.5},
            "main.loss_weight=1.0 and data.streams.replay.loss_weight=0.5: streams of one projection",
        ),
        ({"own_temperature": True}, "replay.own_temperature=True: streams of one projection"),
    ],
)
def test_impossible_streams_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        check_streams({"main": {}, "replay": settings})


def test_what_a_stream_leaves_out_has_a_default() -> None:
    streams = read_streams({"main": Stream(MIXED), "replay": {"root": "x"}, "bare": None, "own": {"text": CAPTIONS}})
    assert streams["replay"] == Stream(MIXED, root="x")
    assert streams["bare"] == Stream(MIXED)
    assert streams["own"].regime is CAPTIONS
    with pytest.raises(ClipbioError, match=r"data\.streams\.main\.text is missing"):
        read_streams({"main": {"root": "x"}})
    with pytest.raises(ClipbioError, match=r"data\.streams is empty"):
        read_streams({})


def test_streams_have_seeds_of_their_own_and_main_that_of_the_run() -> None:
    assert stream_seed(7, "main") == 7
    assert len({stream_seed(seed, name) for seed in (7, 8) for name in ("main", "replay", "captions")}) == 6


@pytest.fixture
def two_roots(make_garden: MakeGarden, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A garden, and streams of which one shows other pictures and one the same pictures under other texts."""
    garden = make_garden(species=4, per_species=10)
    other = write_garden(tmp_path / "other", species=2, per_species=5, first=4)
    return garden, {
        "main": {"text": MIXED, "share": 3},
        "replay": {"root": str(other), "share": 2, "projection": "replay"},
        "captions": {"text": CAPTIONS, "share": 1},
    }


def rows_of(data: SpecimenData) -> list[dict[str, tuple[list[str], torch.Tensor, torch.Tensor]]]:
    """Return ids, images and texts of each step by stream."""
    steps = []
    for batches in data.train_dataloader():
        found = {}
        for batch in batches.values():
            for name in dict.fromkeys(batch["stream"]):
                rows = [row for row, stream in enumerate(batch["stream"]) if stream == name]
                ids = [batch["ids"][row] for row in rows]
                found[name] = (ids, batch["inputs"]["image"][rows], batch["inputs"]["text"][rows])
        steps.append(found)
    return steps


def test_streams_of_one_projection_form_one_batch(two_roots: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    garden, streams = two_roots
    data = data_of(garden, tmp_path, streams=streams)
    batches = next(iter(data.train_dataloader()))
    assert {name: batch["stream"] for name, batch in batches.items()} == {
        "default": ["main"] * 6 + ["captions"] * 2,
        "replay": ["replay"] * 4,
    }
    default = batches["default"]
    assert all(len(default[key]) == 8 for key in ("ids", "taxon_BR", "bin_B", "text_B", "group_B", "text_types"))
    assert all(len(rows) == 8 for key in ("inputs", "present") for rows in default[key].values())
    assert default["text_types"][6:] == ["description"] * 2


@pytest.mark.parametrize(("size", "workers"), [(1, 2), (2, 0), (2, 1)])
def test_several_streams_are_the_same_for_any_number_of_processes_and_workers(
    size: int, workers: int, two_roots: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    garden, streams = two_roots
    whole = rows_of(data_of(garden, tmp_path, streams=streams))
    worlds = [World(rank=rank, size=size, local_size=size) for rank in range(size)]
    parts = [rows_of(data_of(garden, tmp_path, streams=streams, world=world, workers=workers)) for world in worlds]
    assert len(whole) == 2 * (36 // 6) + 1
    for step, expected in enumerate(whole):
        assert set(expected) == set(streams)
        for name, (ids, images, texts) in expected.items():
            ours = [part[step][name] for part in parts]
            assert [id_ for piece in ours for id_ in piece[0]] == ids
            assert torch.equal(torch.cat([piece[1] for piece in ours]), images)
            assert torch.equal(torch.cat([piece[2] for piece in ours]), texts)


def test_several_streams_continue_where_they_stood(two_roots: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    garden, streams = two_roots
    whole = rows_of(data_of(garden, tmp_path, streams=streams))
    data = data_of(garden, tmp_path, streams=streams)
    data.load_state_dict({"batches_consumed": 5})
    rest = rows_of(data)
    assert len(rest) == len(whole) - 5
    for ours, expected in zip(rest, whole[5:], strict=True):
        for name, (ids, images, _) in expected.items():
            assert ours[name][0] == ids
            assert torch.equal(ours[name][1], images)


def test_each_stream_counts_its_own_epochs(two_roots: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    garden, streams = two_roots
    steps = rows_of(data_of(garden, tmp_path, streams=streams))
    replay = [id_ for step in steps for id_ in step["replay"][0]]
    # Ten specimens, four in a batch: two batches an epoch, each specimen at most once in it.
    assert all(len(set(replay[start : start + 8])) == 8 for start in range(0, len(replay) - 8, 8))
    assert len(set(replay)) == 10
    main = [id_ for step in steps for id_ in step["main"][0]]
    assert len(set(main[:36])) == 36


def test_a_lone_main_stream_is_not_changed_by_others(two_roots: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    garden, streams = two_roots
    alone = rows_of(data_of(garden, tmp_path, batch_size=6))
    together = rows_of(data_of(garden, tmp_path, streams=streams))
    for one, other in zip(alone, together, strict=True):
        assert one["main"][0] == other["main"][0]
        assert torch.equal(one["main"][1], other["main"][1])
        assert other["main"][0][:2] != other["captions"][0]


@pytest.mark.parametrize("named", ["not at all", "by its path", "by another path"])
def test_no_stream_of_the_same_folder_shows_val(named: str, make_garden: MakeGarden, tmp_path: Path) -> None:
    garden = make_garden(species=4, per_species=10)
    link = tmp_path / "link"
    link.symlink_to(garden)
    root = {"not at all": None, "by its path": str(garden), "by another path": str(link)}[named]
    data = data_of(garden, tmp_path, streams={"main": {"text": MIXED}, "captions": {"text": CAPTIONS, "root": root}})
    seen = {id_ for step in rows_of(data) for ids, *_ in step.values() for id_ in ids}
    val = data.split("val")
    assert len(val) == 4
    assert not seen & {val.index.ids[int(row)] for row in val.rows}
    assert data.planned["captions"].split is data.planned["main"].split
    assert len(data.train_parts) == 1


def test_evaluated_pictures_are_not_trained_on_from_another_folder(
    make_garden: MakeGarden, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    garden = make_garden(species=4, per_species=10)
    copy = write_garden(tmp_path / "copy", species=4, per_species=10)
    table = copy / "specimens.csv"
    table.write_text(table.read_text().replace("train-", "renamed-").replace("images/renamed-", "images/train-"))
    data = data_of(garden, tmp_path, streams={"main": {"text": MIXED}, "copy": {"root": str(copy), "share": 1}})
    with caplog.at_level("WARNING"):
        planned = data.planned["copy"]
    known = {
        data.split(name).index.image_digests[int(row)] for name in ("val", "test") for row in data.split(name).rows
    }
    shown = {planned.split.index.image_digests[int(row)] for row in planned.rows}
    assert len(shown) == 36
    assert not shown & known


def test_species_that_are_no_longer_unseen_are_told(
    make_garden: MakeGarden, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    garden = make_garden(species=4, per_species=10, splits=("train", "test", "unseen"))
    other = write_garden(tmp_path / "other", species=4, per_species=5, first=2)
    with caplog.at_level("WARNING"):
        data_of(garden, tmp_path, streams={"main": {"text": MIXED}, "replay": {"root": str(other)}})
    assert "the stream replay shows 2 species of unseen: they are no longer unseen" in caplog.text


def test_a_stream_evens_out_its_species(make_garden: MakeGarden, tmp_path: Path) -> None:
    garden = make_garden(species=4, per_species=10, splits=("train", "val"))
    with (garden / "specimens.csv").open(encoding="utf-8") as file:
        rows = [row | {"label": ""} for row in csv.DictReader(file)]
    few = {"train-1-0", "train-1-1", "train-1-2", "train-1-3", "train-2-0", "train-3-0"}
    rows = [
        row
        for row in rows
        if row["split"] == "val" or row["specimen_id"].startswith("train-0") or row["specimen_id"] in few
    ]
    for row in (row for row in rows if row["specimen_id"] in ("train-2-0", "train-3-0")):
        row |= dict.fromkeys(("kingdom", "family", "genus", "species", "common_name"), "") | {
            "label": row["specimen_id"]
        }
    with (garden / "specimens.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    streams = {"main": {"text": TextRegime({"label": 1}), "sampling": "balanced"}}
    data = data_of(garden, tmp_path, batch_size=4, streams=streams)
    one = data.planned["main"]
    shown = [one.split.index.ids[int(one.rows[row])] for batch in range(4) for row in one.plan.rows(batch)]
    assert len(one.rows) == 16
    # Ten, four, and two labels without any rank: four times each.
    assert Counter(id_[:7] for id_ in shown) == {f"train-{number}": 4 for number in range(4)}


def test_a_stream_smaller_than_its_share_is_refused(two_roots: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    garden, streams = two_roots
    with pytest.raises(
        ClipbioError, match=r"data\.streams\.replay has 10 train specimens, fewer than its 12 rows of each"
    ):
        data_of(garden, tmp_path, streams=streams, batch_size=36)


def test_streams_differ_in_augmentation_seeds(two_roots: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    garden, streams = two_roots
    planned = data_of(garden, tmp_path, streams=streams).planned
    seeds = [draw.seed for one in planned.values() for batch in range(4) for draw in one.plan.draws(batch)]
    assert len(set(seeds)) == len(seeds) == 48
    assert np.array_equal(planned["main"].rows, planned["captions"].rows)
