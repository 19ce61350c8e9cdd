"""What goes wrong gives one clear line and the exit status of an error, or is counted where the design says skip."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import SMALL, here
from sites import serve

MakeGarden = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def told(capsys: Capture, verb: str, *overrides: str) -> str:
    """Run a verb that must fail, and return its one line."""
    status, _, err = here(capsys, verb, *overrides)
    assert status == 2, err
    message = [line for line in err.splitlines() if line.startswith("clipbio: ")]
    assert len(message) == 1, err
    assert "Traceback" not in err
    return message[0]


@pytest.fixture
def shards(make_garden: MakeGarden, tmp_path: Path, capsys: Capture) -> Path:
    folder = tmp_path / "shards"
    status, _, err = here(capsys, "prepare", f"source.root={make_garden(per_species=8)}", f"out={folder}")
    assert status == 0, err
    return folder


def train(tmp_path: Path, root: Path, *more: str) -> list[str]:
    return [*SMALL, f"data.root={root}", f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
            "duration=3 steps", "validation.every=3 steps", *more]  # fmt: skip


def test_a_prepared_folder_is_sound_and_trains(shards: Path, tmp_path: Path, capsys: Capture) -> None:
    status, out, _ = here(capsys, "check", f"root={shards}")
    assert status == 0
    assert "0 errors" in out
    status, _, err = here(capsys, "train", *train(tmp_path, shards))
    assert status == 0, err


def test_a_truncated_tar(shards: Path, tmp_path: Path, capsys: Capture) -> None:
    tar = next(shards.glob("train/*.tar"))
    os.truncate(tar, tar.stat().st_size // 2)
    assert tar.name in told(capsys, "train", *train(tmp_path, shards))
    assert "errors" in told(capsys, "check", f"root={shards}")


def test_corrupt_pictures_are_counted_named_and_skipped(
    make_garden: MakeGarden, tmp_path: Path, capsys: Capture
) -> None:
    garden = make_garden(per_species=8)
    damaged = garden / "images" / "train-1-3.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-300])
    tested = garden / "images" / "test-2-2.jpg"
    tested.write_bytes(tested.read_bytes()[:-300])
    more = ("duration=12 steps", "data.max_skipped_share=0.2")
    status, _, err = here(capsys, "train", *train(tmp_path, garden, *more))
    assert status == 0, err
    assert [json.loads(line)["id"] for line in (tmp_path / "run" / "skipped.jsonl").read_text().splitlines()] == [
        "train-1-3"
    ]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["zero_shot/test/common/top1/n"] == 31
    status, out, _ = here(capsys, "check", f"root={garden}", "strict=true")
    assert status == 2
    assert "train-1-3" in out


def test_too_many_corrupt_pictures_stop_the_run(make_garden: MakeGarden, tmp_path: Path, capsys: Capture) -> None:
    garden = make_garden(per_species=8)
    for path in sorted((garden / "images").glob("train-*"))[:12]:
        path.write_bytes(path.read_bytes()[:-300])
    message = told(capsys, "train", *train(tmp_path, garden, "duration=30 steps"))
    assert "train specimens are unusable" in message
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"
    assert json.loads((tmp_path / "run" / "run.json").read_text())["exit_status"] == 2


def test_specimens_without_any_name_are_skipped(make_garden: MakeGarden, tmp_path: Path, capsys: Capture) -> None:
    garden = make_garden(per_species=8)
    table = garden / "specimens.csv"
    lines = table.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("train-0-0"))
    lines[place] = "train-0-0,images/train-0-0.jpg,,,,,,train"
    table.write_text("\n".join(lines) + "\n")
    status, _, err = here(capsys, "train", *train(tmp_path, garden, "duration=12 steps", "data.max_skipped_share=0.2"))
    assert status == 0, err
    skipped = [json.loads(line) for line in (tmp_path / "run" / "skipped.jsonl").read_text().splitlines()]
    assert [item["id"] for item in skipped] == ["train-0-0"]
    assert "Unnameable" in skipped[0]["reason"]


@pytest.mark.parametrize("defect", ["duplicate", "missing image"])
def test_unusable_rows_are_counted_and_skipped(
    defect: str, make_garden: MakeGarden, tmp_path: Path, capsys: Capture
) -> None:
    garden = make_garden(per_species=8)
    if defect == "duplicate":
        table = garden / "specimens.csv"
        lines = table.read_text().splitlines()
        table.write_text("\n".join([*lines, lines[1]]) + "\n")
        name = lines[1].partition(",")[0]
    else:
        (garden / "images" / "train-1-3.jpg").unlink()
        name = "train-1-3"
    status, out, _ = here(capsys, "check", f"root={garden}", "strict=true")
    assert status == 2
    assert name in out
    status, out, err = here(capsys, "prepare", f"source.root={garden}", f"out={tmp_path / 'out'}")
    assert status == 0, err
    assert name in out
    samples = json.loads((tmp_path / "out" / "manifest.json").read_text())["splits"]["train"]["samples"]
    assert samples == (32 if defect == "duplicate" else 31)


def test_an_empty_table_and_a_missing_one(make_garden: MakeGarden, tmp_path: Path, capsys: Capture) -> None:
    garden = make_garden()
    table = garden / "specimens.csv"
    table.write_text(table.read_text().splitlines()[0] + "\n")
    assert "specimens.csv" in told(capsys, "train", *train(tmp_path, garden))
    shutil.rmtree(tmp_path / "run")
    table.unlink()
    assert "neither a shard folder" in told(capsys, "train", *train(tmp_path, garden))


def test_wrong_overrides(tmp_path: Path, capsys: Capture) -> None:
    assert "did you mean 'data.batch_size'" in told(capsys, "train", "data.batchsize=3")
    assert "did you mean 'checkpoint'" in told(capsys, "evaluate", "checkpont=x")
    assert "data.root=nowhere does not exist" in told(
        capsys, "train", *SMALL, "data.root=nowhere", f"run_dir={tmp_path}/r"
    )


def test_a_checkpoint_of_another_model_and_none_at_all(
    make_garden: MakeGarden, tmp_path: Path, capsys: Capture
) -> None:
    garden = make_garden(per_species=8)
    status, _, err = here(capsys, "train", *train(tmp_path, garden))
    assert status == 0, err
    run, out = tmp_path / "run", tmp_path / "out"
    common = (f"run_dir={out}", f"cache_dir={tmp_path / 'cache'}")
    other = told(capsys, "evaluate", f"checkpoint={run}", "model=tiny", "model.context_length=20", *common)
    assert "is a checkpoint of another model" in other
    assert "has shape" in other
    assert "holds no checkpoints" in told(capsys, "evaluate", f"checkpoint={garden}", f"run_dir={out}-2")
    torn = run / "checkpoints" / "best.ckpt"
    torn.write_bytes(torn.read_bytes()[:5000])
    assert "cannot be read as a checkpoint" in told(capsys, "evaluate", f"checkpoint={torn}", f"run_dir={out}-3")
    assert "does not exist" in told(capsys, "evaluate", "checkpoint=nowhere.ckpt", f"run_dir={out}-4")


def test_a_run_on_remote_shards_stops_with_one_line_where_one_is_gone(
    shards: Path, tmp_path: Path, capsys: Capture
) -> None:
    with serve(shards) as site:
        more = ("data.num_workers=1", "data.remote_cache_gb=0.1")
        status, _, err = here(capsys, "train", *train(tmp_path, Path("nowhere"), *more, f"data.root={site.url}"))
        assert status == 0, err
        status, _, err = here(
            capsys, "evaluate", f"checkpoint={tmp_path / 'run'}", f"run_dir={tmp_path / 'out'}",
            f"cache_dir={tmp_path / 'cache'}", "benchmark=[zero_shot]", "splits=[test]",
        )  # fmt: skip
        assert status == 0, err
        (shards / "train" / "shard-000000.tar").unlink()
        shutil.rmtree(tmp_path / "run")
        shutil.rmtree(tmp_path / "cache" / "remote" / "shards")
        message = told(capsys, "train", *train(tmp_path, Path("nowhere"), *more, f"data.root={site.url}"))
    assert message == f"clipbio: {site.url}/train/shard-000000.tar does not exist"
    assert not (tmp_path / "run" / "skipped.jsonl").exists()


@pytest.mark.parametrize("key", ["data.root", "+data.streams.more.root"])
def test_roots_that_are_refused(key: str, tmp_path: Path, capsys: Capture) -> None:
    root = tmp_path / "root"
    root.mkdir()
    message = told(capsys, "train", *train(tmp_path, root, f"{key}='pipe:touch {tmp_path}/touched'"))
    assert f"{key.lstrip('+')}=pipe:" in message
    assert "are refused, they run a program" in message
    assert not (tmp_path / "touched").exists()
    assert "is no scheme of data" in told(capsys, "train", *train(tmp_path, root, f"{key}=htp://host/set"))


def test_what_needs_a_folder_of_this_machine(tmp_path: Path, capsys: Capture) -> None:
    assert "root=s3://bucket/set is a URL: give a folder" in told(capsys, "check", "root=s3://bucket/set")
    out = told(capsys, "prepare", f"source.root={tmp_path}", "out=s3://bucket/set")
    assert "out=s3://bucket/set is a URL: give a folder" in out


def test_nothing_to_evaluate(tmp_path: Path, capsys: Capture) -> None:
    assert "nothing to evaluate" in told(capsys, "evaluate", f"run_dir={tmp_path / 'a'}")


def test_a_model_without_any_checkpoint_can_be_evaluated(
    make_garden: MakeGarden, tmp_path: Path, capsys: Capture
) -> None:
    status, _, err = here(
        capsys, "evaluate", "model=tiny", "data=table", f"data.root={make_garden()}", "text=common",
        f"run_dir={tmp_path / 'out'}", f"cache_dir={tmp_path / 'cache'}", "benchmark=[zero_shot]", "splits=[test]",
    )  # fmt: skip
    assert status == 0, err
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["zero_shot/test/common/top1/n"] == 24
