"""A run once more: equal to the last bit on one CPU process, and what is said where it is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from gardens import write_garden
from runs import ROOT, SMALL, command, here, lines

from clipbio.provenance.code import source_hash
from clipbio.provenance.packages import installed, read_packages

Finished = tuple[Path, Path]


def processes(folder: Path, base: Path, hash_seed: int) -> Path:
    """Train in a process of its own, in which sets and dictionaries of strings have another order."""
    overrides = [*SMALL, f"data.root={base / 'garden'}", f"cache_dir={base / f'cache{hash_seed}'}", "duration=8 steps",
                 "model.image.dropout=0.2", "augmentation.flip=0.5", f"run_dir={folder}"]  # fmt: skip
    done = subprocess.run(
        command("train.py", *overrides), capture_output=True, text=True, timeout=400, cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "WANDB_API_KEY": "s3cret"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of 8 steps on a garden with licences, and the folder that holds both."""
    base = tmp_path_factory.mktemp("reproduced")
    garden = write_garden(base / "garden", species=4, per_species=6, splits=("train", "test"))
    table = (garden / "specimens.csv").read_text().splitlines()
    rows = [f"{table[0]},licence", *(f"{row},{'cc0' if 'train' in row else 'cc-by-4.0'}" for row in table[1:])]
    (garden / "specimens.csv").write_text("\n".join(rows) + "\n")
    return processes(base / "run", base, 1), base


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "reproduction.json").read_text())
    return found


def copied(finished: Finished, name: str) -> Path:
    """Return a copy of the run that a test may change."""
    folder, base = finished
    shutil.copytree(folder, base / name)
    return base / name


def test_run_json_tells_with_what_the_run_was_made(finished: Finished) -> None:
    folder, _ = finished
    run = record(folder)
    assert run["source_hash"] == source_hash()
    assert read_packages(folder) == installed()
    assert run["data"]["licences"] == {"cc-by-4.0": 24, "cc0": 24}
    assert run["data"]["streams"]["main"]["manifest"] == run["data_manifest"]
    assert 0 < run["data"]["streams"]["main"]["train_specimens"] < 24
    assert run["torch"]["threads"] >= 1
    assert run["environment"]["PYTHONHASHSEED"] == "1"
    assert "s3cret" not in (folder / "run.json").read_text()
    assert run["checkpoints"]["last"]["step"] == 8
    usage = run["usage"]
    assert usage["samples_seen"] == 64
    assert usage["seconds"] > 0
    assert usage["kwh"] > 0
    assert usage["basis"]["cpu"]
    assert run["attempts"][0]["usage"]["kwh"] == usage["kwh"]
    assert not (folder / "usage").exists()


def test_the_model_card_is_made_of_it(finished: Finished) -> None:
    folder, _ = finished
    card, run = (folder / "model_card.md").read_text(), record(folder)
    for told in (run["data_manifest"], "cc-by-4.0", run["source_hash"], run["git"].get("commit", "unknown"), "kWh",
                 run["checkpoints"]["best"]["tensors"][:16], "**zero shot, test**"):  # fmt: skip
        assert told in card, told
    assert "None" not in card


def test_two_processes_that_order_sets_otherwise_give_the_same_bits(finished: Finished) -> None:
    folder, base = finished
    other = processes(base / "other", base, 2)
    assert record(folder)["checkpoints"] == record(other)["checkpoints"]
    assert (folder / "metrics.json").read_bytes() == (other / "metrics.json").read_bytes()
    clock = ("train/samples_per_second", "train/data_wait")
    logs = [[{k: v for k, v in line.items() if k not in clock} for line in lines(one / "metrics.jsonl")]
            for one in (folder, other)]  # fmt: skip
    assert logs[0] == logs[1]


def test_a_run_is_reproduced(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    folder, base = finished
    status, out, err = here(capsys, "reproduce", str(folder), "progress=false")
    assert status == 0, out + err
    assert "reproduced" in out
    repetition = base / "run-reproduced"
    found = result(repetition)
    assert found["reproduced"]
    assert set(found["counts"]) == {"equal"}
    assert found["weights"] == {"best": True, "last": True}
    assert found["history"]["first"] is None
    assert (repetition / "reproduction.md").read_text().startswith("# reproduced: ")
    assert yaml.safe_load((repetition / "config.yaml").read_text())["callbacks"]["sample_log"]["folder"] == str(
        repetition / "samples"
    )
    # A second time there is nothing to train: what is there is compared.
    before = (repetition / "metrics.jsonl").read_bytes()
    assert here(capsys, "reproduce", str(folder), "progress=false")[0] == 0
    assert (repetition / "metrics.jsonl").read_bytes() == before


def test_figures_that_do_not_come_out_are_shown_and_end_in_an_error(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(finished, "wrong")
    metrics = json.loads((folder / "metrics.json").read_text())
    key = "zero_shot/test/common/top1"
    (folder / "metrics.json").write_text(json.dumps({**metrics, key: metrics[key] + 2}))
    status, out, _ = here(capsys, "reproduce", str(folder), "progress=false")
    assert status == 1
    assert "NOT reproduced" in out
    found = result(folder.with_name("wrong-reproduced"))
    assert [one["key"] for one in found["figures"] if one["verdict"] == "different"] == [key]
    assert (
        f"| {metrics[key] + 2:.6g} | {metrics[key]:.6g} |"
        in (folder.with_name("wrong-reproduced") / "reproduction.md").read_text()
    )


def test_other_data_are_refused_unless_asked(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(finished, "elsewhere")
    (folder / "run.json").write_text(json.dumps({**record(folder), "data_manifest": "0" * 16}))
    status, _, err = here(capsys, "reproduce", str(folder), "progress=false")
    assert status == 2
    assert "the data are not those of the run" in err
    assert not folder.with_name("elsewhere-reproduced").exists()
    status, out, _ = here(capsys, "reproduce", str(folder), "progress=false", "other_data=accept", "tolerance=1")
    assert status == 0
    assert "equal bits are not promised" in out


def test_another_seed_is_a_replication(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    folder, base = finished
    status, _, _ = here(capsys, "reproduce", str(folder), "progress=false", "seed=3", f"out={base / 'seed3'}")
    found = result(base / "seed3")
    assert status == (0 if found["reproduced"] else 1)
    assert "another seed" in found["rule"]
    assert found["history"] is None
    assert record(base / "seed3")["checkpoints"] != record(folder)["checkpoints"]


def test_an_evaluation_is_reproduced(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    folder, base = finished
    asked = (f"checkpoint={folder}", f"cache_dir={base / 'cache1'}", "splits=[test]", "benchmark=[zero_shot]",
             "benchmark.zero_shot.bootstrap=20", "benchmark.zero_shot.permutations=0")  # fmt: skip
    assert here(capsys, "evaluate", *asked, f"run_dir={base / 'evaluated'}")[0] == 0
    status, out, err = here(capsys, "reproduce", str(base / "evaluated"), "progress=false")
    assert status == 0, out + err
    found = result(base / "evaluated-reproduced")
    assert set(found["counts"]) == {"equal"}
    assert found["history"] is None


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["tolerance=-1"], "tolerance=-1 must be"),
        (["other_data=maybe"], "other_data=maybe is unknown"),
        (["out={run}"], "is the run itself"),
    ],
)
def test_what_makes_no_sense_is_said(
    overrides: list[str], told: str, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = finished
    status, _, err = here(capsys, "reproduce", str(folder), *(one.format(run=folder) for one in overrides))
    assert status == 2
    assert told in err


def test_a_folder_without_figures_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = here(capsys, "reproduce", str(tmp_path))
    assert status == 2
    assert "has no config.yaml" in err
