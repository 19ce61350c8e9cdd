"""Damaged checkpoints: told from whole ones, and from those that cannot be read just now, with the one before at hand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from made_checkpoints import save, state

from clipbio.checkpoint_files import BEST, CHECKPOINT_FORMAT, LAST, PREVIOUS, read_checkpoint
from clipbio.errors import ClipbioError, DamagedError
from clipbio.sealed_files import check_seal, write_sealed
from clipbio.training.atomic_checkpoints import AtomicCheckpoints
from clipbio.training.recovery import DAMAGED, recover_last


def flip(path: Path, at: float = 0.5) -> None:
    """Turn one bit over."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(data)


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
