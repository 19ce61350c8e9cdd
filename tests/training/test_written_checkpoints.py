"""Checkpoints on the disk: written whole while training goes on, told from damaged ones, with the one before at hand."""

import multiprocessing
import os
import resource
import signal
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import SingleDeviceStrategy

from clipbio.checkpoint_files import BEST, CHECKPOINT_FORMAT, LAST, PREVIOUS, read_checkpoint
from clipbio.errors import ClipbioError, DamagedError
from clipbio.sealed_files import check_seal, write_sealed
from clipbio.training import atomic_checkpoints
from clipbio.training.atomic_checkpoints import AtomicCheckpoints, link, write_whole
from clipbio.training.best_checkpoints import BestCheckpoints
from clipbio.training.last_checkpoint import LastCheckpoint, wall_seconds
from clipbio.training.recovery import DAMAGED, recover_last


def state(step: int, size: int = 1000) -> dict[str, Any]:
    """Return a checkpoint with tied weights and something that is no tensor and changes."""
    weight = torch.full((size,), float(step))
    return {
        "clipbio": {"format": CHECKPOINT_FORMAT, "config": {}},
        "global_step": step,
        "state_dict": OrderedDict(a=weight, tied=weight, part=torch.arange(4.0)[1:3]),
        "callbacks": {"scores": [step]},
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)


def save(folder: Path, *steps: int) -> None:
    writer = AtomicCheckpoints()
    for step in steps:
        writer.save_checkpoint(state(step), folder / LAST)


def flip(path: Path, at: float = 0.5) -> None:
    """Turn one bit over."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(data)


def test_what_is_written_in_the_background_is_the_state_at_the_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    write = atomic_checkpoints.write_whole

    def slowly(*args: Any, **options: Any) -> None:
        go.wait(20)
        write(*args, **options)

    given = state(3)
    AtomicCheckpoints().save_checkpoint(given, tmp_path / "now.ckpt")
    monkeypatch.setattr(atomic_checkpoints, "write_whole", slowly)
    writer = AtomicCheckpoints(asynchronous=True)
    writer.save_checkpoint(given, tmp_path / LAST)
    given["state_dict"]["a"].zero_()
    given["callbacks"]["scores"].append(4)
    assert not (tmp_path / LAST).exists()
    go.set()
    writer.finish()
    now, later = (read_checkpoint(path) for path in (tmp_path / "now.ckpt", tmp_path / LAST))
    assert same(now, later)
    assert later["callbacks"]["scores"] == [3]
    tied = later["state_dict"]
    assert tied["a"].data_ptr() == tied["tied"].data_ptr()


def test_a_third_copy_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, at_once, most = threading.Event(), [0], [0]
    write = atomic_checkpoints.write_whole

    def counted(*args: Any, **options: Any) -> None:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        go.wait(20)
        write(*args, **options)
        at_once[0] -= 1

    monkeypatch.setattr(atomic_checkpoints, "write_whole", counted)
    writer = AtomicCheckpoints(asynchronous=True)
    for step in (1, 2):
        writer.save_checkpoint(state(step), tmp_path / LAST)
    third = threading.Thread(target=lambda: writer.save_checkpoint(state(3), tmp_path / LAST))
    third.start()
    third.join(0.3)
    assert third.is_alive()
    go.set()
    third.join(20)
    writer.finish()
    assert most == [1]
    assert [read_checkpoint(tmp_path / name)["global_step"] for name in (PREVIOUS, LAST)] == [2, 3]


@pytest.mark.parametrize("at", [0.3, 0.6, 0.9, 0.97])
def test_a_bit_that_turned_over_is_told(at: float, tmp_path: Path) -> None:
    path = tmp_path / LAST
    save(tmp_path, 1)
    assert check_seal(path) is not None
    flip(path, at)
    with pytest.raises(ClipbioError, match=r"last\.ckpt is damaged|cannot be read as a checkpoint"):
        read_checkpoint(path)


def test_a_seal_says_which_step_it_is_and_files_without_one_are_read(tmp_path: Path) -> None:
    save(tmp_path, 7)
    facts = check_seal(tmp_path / LAST)
    assert facts is not None
    assert facts["step"] == 7
    torch.save(state(8), tmp_path / "plain.ckpt")
    assert check_seal(tmp_path / "plain.ckpt") is None
    assert read_checkpoint(tmp_path / "plain.ckpt")["global_step"] == 8


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "gone"])
def test_a_run_goes_on_from_the_one_before(damage: str, tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    last = tmp_path / LAST
    left = last.with_name(".last.ckpt.123")
    left.write_bytes(b"half")
    if damage == "flipped":
        flip(last)
    elif damage == "gone":
        last.unlink()
    else:
        last.write_bytes(last.read_bytes()[:2000] if damage == "cut" else b"")
    told = recover_last(tmp_path)
    assert "last.ckpt" in told
    assert "continuing from the checkpoint before it, step 1" in told
    assert read_checkpoint(last)["global_step"] == 1
    assert (tmp_path / DAMAGED).exists() == (damage != "gone")
    assert not left.exists()
    # What is damaged never takes the place of the one before.
    save(tmp_path, 2)
    assert [read_checkpoint(tmp_path / name)["global_step"] for name in (PREVIOUS, LAST)] == [1, 2]
    assert recover_last(tmp_path) == ""


@pytest.mark.parametrize("sealed", [True, False])
def test_a_file_cut_anywhere_is_damaged(sealed: bool, tmp_path: Path) -> None:
    # torch tells of it in several ways, one of them an error of the system.
    path = tmp_path / "a.ckpt"
    write_sealed(state(1), path, {}) if sealed else torch.save(state(1), path)
    data = path.read_bytes()
    for length in {*range(100), *range(100, len(data), 53), *range(len(data) - 150, len(data))}:
        path.write_bytes(data[:length])
        with pytest.raises(DamagedError, match=r"a\.ckpt (is damaged|cannot be read as a checkpoint)"):
            read_checkpoint(path)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error"),
                                   RuntimeError("unable to mmap 9 bytes from file <last.ckpt>: Cannot allocate memory")])  # fmt: skip
def test_a_file_that_cannot_be_read_just_now_stays(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    save(tmp_path, 1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", fails)
        with pytest.raises(ClipbioError, match=r"last\.ckpt cannot be read just now: .*try again"):
            recover_last(tmp_path)
    assert [read_checkpoint(tmp_path / name)["global_step"] for name in (PREVIOUS, LAST)] == [1, 2]
    assert not (tmp_path / DAMAGED).exists()


def test_a_checkpoint_of_a_later_version_stays(tmp_path: Path) -> None:
    save(tmp_path, 1)
    later = state(2)
    later["clipbio"]["format"] = CHECKPOINT_FORMAT + 1
    AtomicCheckpoints().save_checkpoint(later, tmp_path / LAST)
    with pytest.raises(ClipbioError, match="update clipbio"):
        recover_last(tmp_path)
    facts = check_seal(tmp_path / LAST)
    assert facts is not None
    assert facts["step"] == 2
    assert not (tmp_path / DAMAGED).exists()


def test_both_damaged(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    for name in (LAST, PREVIOUS):
        flip(tmp_path / name)
    with pytest.raises(ClipbioError, match=rf"last\.ckpt is damaged.*previous\.ckpt is damaged.*init=.*{BEST.name}"):
        recover_last(tmp_path)


def _save_for_ever(folder: Path) -> None:
    writer = AtomicCheckpoints(asynchronous=True)
    for step in range(1, 10_000):
        writer.save_checkpoint(state(step, size=2_000_000), folder / LAST)


def test_a_kill_in_the_middle_of_a_write_leaves_both(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=_save_for_ever, args=(tmp_path,))
    process.start()
    folder, deadline = (tmp_path / LAST).parent, time.monotonic() + 60
    try:
        while not ((tmp_path / PREVIOUS).exists() and [one for one in folder.glob(".last.*") if one.stat().st_size]):
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert list(folder.glob(".last.*"))
    before, last = (read_checkpoint(tmp_path / name) for name in (PREVIOUS, LAST))
    for one in (before, last):
        assert same(one, state(one["global_step"], size=2_000_000))
    assert last["global_step"] - before["global_step"] <= 1
    assert recover_last(tmp_path) == ""
    assert {path.name for path in folder.iterdir()} == {"last.ckpt", "previous.ckpt"}


def _save_with_a_limit(folder: Path, asynchronous: bool, answers: Any) -> None:
    writer = AtomicCheckpoints(asynchronous=asynchronous)
    writer.save_checkpoint(state(1), folder / LAST)
    writer.finish()
    # What a full disk does to a file that grows; Python ignores the signal, as with any error of writing.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    try:
        writer.save_checkpoint(state(2, size=1_000_000), folder / LAST)
        writer.finish()
    except ClipbioError as error:
        answers.put(str(error))
    else:
        answers.put("written")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_write_that_fails_halfway_leaves_what_was_there(asynchronous: bool, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=_save_with_a_limit, args=(tmp_path, asynchronous, answers))
    process.start()
    process.join(60)
    message = answers.get()
    assert "last.ckpt cannot be written: File too large (it takes 5 MB" in message
    assert "resume=auto" in message
    assert read_checkpoint(tmp_path / LAST)["global_step"] == 1
    assert [path.name for path in (tmp_path / LAST).parent.iterdir()] == ["last.ckpt"]


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_checkpoints, "free_bytes", lambda folder: 1_000_000)
    with pytest.raises(ClipbioError, match=r"the disk is full \(it takes 1 MB, 1 MB are free\)"):
        write_whole(state(1), tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())


def test_after_an_error_nothing_more_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / LAST
    writer = AtomicCheckpoints(asynchronous=True)
    monkeypatch.setattr(atomic_checkpoints, "free_bytes", lambda folder: 0)
    writer.save_checkpoint(state(1), tmp_path / BEST)
    with pytest.raises(ClipbioError, match=r"best\.ckpt cannot be written"):
        writer.finish()
    with pytest.raises(ClipbioError, match=r"best\.ckpt cannot be written"):
        writer.save_checkpoint(state(1), place)
    writer.teardown()
    assert not place.exists()


class _Trainer:
    """As much of a Trainer as decides about checkpoints."""

    world_size, is_global_zero, enable_validation, val_check_batch, accumulate_grad_batches = 1, True, False, 1, 1

    def __init__(self, folder: Path) -> None:
        self.global_step = 0
        self.strategy = self
        self.checkpoint_io = AtomicCheckpoints()

    def save_checkpoint(self, path: Path) -> None:
        self.checkpoint_io.save_checkpoint(state(self.global_step), path)


def test_checkpoints_by_the_clock_and_some_that_stay(tmp_path: Path) -> None:
    now = [100.0]
    saved = []
    last = LastCheckpoint(tmp_path / LAST, seconds=30.0, keep_every=4, clock=lambda: now[0])
    trainer: Any = _Trainer(tmp_path)
    for step in range(1, 10):
        trainer.global_step, now[0] = step, now[0] + 12
        last.on_train_batch_end(trainer, trainer, None, None, step - 1)
        saved.append(read_checkpoint(tmp_path / LAST)["global_step"] if (tmp_path / LAST).exists() else 0)
    # After 36 s; at step 4 for good; 36 s after that; at step 8 for good.
    assert saved == [0, 0, 3, 4, 4, 4, 7, 8, 8]
    kept = sorted((tmp_path / LAST).parent.glob("step-*.ckpt"))
    assert [path.name for path in kept] == ["step-0000004.ckpt", "step-0000008.ckpt"]
    assert [read_checkpoint(path)["global_step"] for path in kept] == [4, 8]


class _Scored(pl.LightningModule):
    """Gets the scores of its validations told."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.weight, self.scores = torch.nn.Parameter(torch.zeros(1)), scores

    def training_step(self, *_: Any) -> torch.Tensor:
        return self.weight.sum()

    def validation_step(self, *_: Any) -> None:
        self.log("score", self.scores[self.global_step - 1], batch_size=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["clipbio"] = {"format": CHECKPOINT_FORMAT, "config": {}}


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("keep", [1, 2])
def test_of_the_scored_ones_the_best_stay(mode: str, keep: int, tmp_path: Path) -> None:
    # Step 3 drops the first, step 4 comes nowhere, step 5 drops the second; the third is the best of all.
    scores = [0.2, 0.5, 0.9, 0.1, 0.6]
    writer = AtomicCheckpoints(asynchronous=True)
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=5, val_check_interval=1, check_val_every_n_epoch=None, num_sanity_val_steps=0,
        logger=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path, plugins=[writer],
        callbacks=[BestCheckpoints(tmp_path / BEST, monitor="score", mode=mode, keep=keep),
                   LastCheckpoint(tmp_path / LAST, every=1)],
    )  # fmt: skip
    trainer.fit(_Scored([one if mode == "max" else -one for one in scores]), range(5), range(1))
    writer.finish()
    steps = {path.name: read_checkpoint(path)["global_step"] for path in (tmp_path / BEST).parent.iterdir()}
    several = {"best-step-0000003.ckpt": 3, "best-step-0000005.ckpt": 5} if keep == 2 else {}
    assert steps == {"best.ckpt": 3, "last.ckpt": 5, "previous.ckpt": 4} | several


@pytest.mark.parametrize(
    ("before", "after", "first", "second", "left"),
    [
        (1, 1, [0.7], [0.5], {"best": 1}),
        (3, 1, [0.5, 0.7, 0.6], [0.55], {"best": 2}),
        (1, 2, [0.5], [0.6, 0.55], {"best": 2, "best-step-0000002": 2, "best-step-0000003": 3}),
        (3, 2, [0.5, 0.7, 0.6], [0.4], {"best": 2, "best-step-0000002": 2, "best-step-0000003": 3}),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_the_best_stays_in_another_folder_and_with_another_keep(
    before: int, after: int, first: list[float], second: list[float], left: dict[str, int], late: bool, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # Sharded strategies restore after they are set up.
    monkeypatch.setattr(SingleDeviceStrategy, "restore_checkpoint_after_setup", late)
    for folder, keep, scores in (("old", before, first), ("new", after, first + second)):
        if folder == "new":
            (tmp_path / "old").rename(tmp_path / "new")
        run = tmp_path / folder
        trainer = pl.Trainer(
            accelerator="cpu", max_steps=len(scores), val_check_interval=1, check_val_every_n_epoch=None,
            num_sanity_val_steps=0, logger=False, enable_progress_bar=False, enable_model_summary=False,
            default_root_dir=run, plugins=[AtomicCheckpoints()],
            callbacks=[BestCheckpoints(run / BEST, monitor="score", mode="max", keep=keep),
                       LastCheckpoint(run / LAST, every=1)],
        )  # fmt: skip
        trainer.fit(_Scored(scores), range(9), range(1), ckpt_path=run / LAST if folder == "new" else None)
    files = (tmp_path / "new" / BEST).parent.glob("best*.ckpt")
    assert {path.stem: read_checkpoint(path)["global_step"] for path in files} == left


def test_a_second_name_may_be_given_again(tmp_path: Path) -> None:
    source, target = tmp_path / "a.ckpt", tmp_path / "b.ckpt"
    source.write_bytes(b"one")
    for _ in range(2):
        link(source, target)
    assert target.samefile(source)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_same_step_once_more_leaves_the_one_before(tmp_path: Path) -> None:
    save(tmp_path, 2, 4, 4)
    steps = {path.stem: read_checkpoint(path)["global_step"] for path in (tmp_path / "checkpoints").glob("*.ckpt")}
    assert steps == {"last": 4, "previous": 2}


def test_durations_of_the_clock() -> None:
    assert [wall_seconds(text) for text in ("30 minutes", "1.5 hours", "90 seconds")] == [1800.0, 5400.0, 90.0]
    assert [wall_seconds(text) for text in ("10 percent", "5 steps", 7)] == [None, None, None]
