"""The moving average of weights: what it holds, when it is in use, and that a continued run goes on with it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from clipbio.checkpoint_files import CHECKPOINT_FORMAT
from clipbio.errors import ClipbioError
from clipbio.models import TowerOptions
from clipbio.training.atomic_checkpoints import AtomicCheckpoints
from clipbio.training.averaging import WeightAverage, averaged_tensors
from clipbio.training.checkpoints import chosen_weights, load_into, read_checkpoint
from clipbio.training.durations import RunLength
from clipbio.training.last_checkpoint import LastCheckpoint
from clipbio.training.strategy import ShardedStrategy

STEPS = 8


class Probe(pl.LightningModule):
    """A frozen part and a trained one, both with batch statistics; it writes down what validation sees."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.frozen = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).requires_grad_(False).eval()
        self.trained = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.length = RunLength(batch_size=8, batches_per_epoch=100, total_steps=STEPS)
        self.seen: list[list[torch.Tensor]] = []
        self.history: list[torch.Tensor] = []

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        self.frozen.eval()
        return self.trained(self.frozen(batch)).pow(2).mean() + self.trained[0].weight.sum()

    def on_train_batch_end(self, *args: Any) -> None:
        self.history.append(self.trained[0].weight.detach().clone())

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.seen.append([self.trained[0].weight.detach().clone()])

    def on_validation_epoch_end(self) -> None:
        # Where our module encodes texts.
        self.seen[-1].append(self.trained[0].weight.detach().clone())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.trained.parameters(), lr=0.1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["clipbio"] = {"format": CHECKPOINT_FORMAT, "config": {}}


def data() -> torch.utils.data.DataLoader[torch.Tensor]:
    rows = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    return torch.utils.data.DataLoader(rows.repeat(10, 1), batch_size=8)


def fit(folder: Path, average: WeightAverage, *, steps: int = STEPS, resume: Path | None = None) -> Probe:
    probe = Probe()
    trainer = pl.Trainer(
        max_steps=steps, max_epochs=-1, callbacks=[LastCheckpoint(folder / "last.ckpt", every=2), average],
        val_check_interval=2, check_val_every_n_epoch=None, num_sanity_val_steps=0, logger=False, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, plugins=[AtomicCheckpoints()],
    )  # fmt: skip
    trainer.fit(probe, data(), data(), ckpt_path=resume, weights_only=True)
    return probe


def expected(history: list[torch.Tensor], decay: float) -> torch.Tensor:
    """Write the average down as in the definition."""
    average = history[0]
    for update, weight in enumerate(history):
        kept = min(decay, (1 + update) / (10 + update))
        average = kept * average + (1 - kept) * weight
    return average


def test_validation_sees_the_average_and_the_checkpoint_keeps_both(tmp_path: Path) -> None:
    probe = fit(tmp_path, WeightAverage(decay=0.5))
    last = read_checkpoint(tmp_path / "last.ckpt")
    assert torch.equal(last["state_dict"]["trained.0.weight"], probe.history[-1])
    for step, seen in zip((2, 4, 6, 8), probe.seen[9::10], strict=True):
        for weight in seen:
            torch.testing.assert_close(weight, expected(probe.history[:step], 0.5))
    averaged = chosen_weights(last, "averaged", tmp_path)
    torch.testing.assert_close(averaged["trained.0.weight"], expected(probe.history, 0.5))
    assert not torch.equal(averaged["trained.0.weight"], probe.history[-1])
    assert torch.equal(probe.trained[0].weight, probe.history[-1])


def test_only_what_is_trained_is_averaged_and_stored(tmp_path: Path) -> None:
    fit(tmp_path, WeightAverage())
    last = read_checkpoint(tmp_path / "last.ckpt")
    assert set(last["averaged"]["weights"]) == {
        "trained.0.weight", "trained.0.bias", "trained.1.weight", "trained.1.bias", "trained.1.running_mean",
        "trained.1.running_var",
    }  # fmt: skip
    assert set(last["state_dict"]) >= set(last["averaged"]["weights"])
    untouched = Probe()
    assert all(torch.equal(last["state_dict"][f"frozen.{k}"], v) for k, v in untouched.frozen.state_dict().items())


def test_a_continued_run_goes_on_with_the_same_average(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"decay": 0.7, "every": "2 steps", "start": "1 step"}
    fit(tmp_path / "whole", WeightAverage(**settings))
    fit(tmp_path / "part", WeightAverage(**settings), steps=4)
    fit(tmp_path / "part", WeightAverage(**settings), resume=tmp_path / "part" / "last.ckpt")
    whole, part = (read_checkpoint(tmp_path / name / "last.ckpt") for name in ("whole", "part"))
    assert whole["averaged"]["updates"] == part["averaged"]["updates"] == 3
    for kind in ("trained", "averaged"):
        one, other = chosen_weights(whole, kind, tmp_path), chosen_weights(part, kind, tmp_path)
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_averaging_begins_where_it_is_told(tmp_path: Path) -> None:
    probe = fit(tmp_path, WeightAverage(decay=0.5, start="50 percent"))
    for step, seen in zip((2, 4), probe.seen[9::10], strict=False):
        assert all(torch.equal(weight, probe.history[step - 1]) for weight in seen)
    averaged = chosen_weights(read_checkpoint(tmp_path / "last.ckpt"), "averaged", tmp_path)
    torch.testing.assert_close(averaged["trained.0.weight"], expected(probe.history[4:], 0.5))


def test_weights_are_those_of_validation_unless_told_otherwise(tmp_path: Path) -> None:
    for validate in (True, False):
        probe = fit(tmp_path, WeightAverage(decay=0.5, validate=validate))
        last = read_checkpoint(tmp_path / "last.ckpt")
        assert torch.equal(probe.seen[-1][0], probe.history[-1]) == (not validate)
        found = {}
        for weights in ("auto", "averaged", "trained"):
            module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
            load_into(last, {"trained": module}, tmp_path, weights=weights)
            found[weights] = module[0].weight
        assert torch.equal(found["auto"], found["averaged" if validate else "trained"])
        assert not torch.equal(found["averaged"], found["trained"])


def test_a_checkpoint_without_averages_has_none_to_give(tmp_path: Path) -> None:
    checkpoint = {"state_dict": {"trained.weight": torch.zeros(2)}}
    assert chosen_weights(checkpoint, "auto", tmp_path).keys() == {"trained.weight"}
    with pytest.raises(ClipbioError, match="holds no averages"):
        chosen_weights(checkpoint, "averaged", tmp_path)
    with pytest.raises(ClipbioError, match="did you mean 'averaged'"):
        chosen_weights(checkpoint, "average", tmp_path)


def test_sharded_weights_and_bad_settings_are_refused() -> None:
    trainer: Any = SimpleNamespace(strategy=ShardedStrategy(2))
    with pytest.raises(ClipbioError, match="callbacks=ema cannot average weights that trainer=fsdp shards"):
        WeightAverage().setup(trainer, Probe(), "fit")
    with pytest.raises(ClipbioError, match=r"callbacks\.ema\.decay=1\.0"):
        WeightAverage(decay=1.0)
    with pytest.raises(ClipbioError, match=r"callbacks\.ema\.every"):
        WeightAverage(every="0 steps")
    assert "frozen.0.weight" not in averaged_tensors(Probe())


def test_norms_without_weights_are_averaged_with_what_they_belong_to() -> None:
    def tower(kind: str, **options: Any) -> nn.Module:
        trunk = nn.Linear(4, 4)
        trunk.modality, trunk.width = "image", 4  # type: ignore[assignment]
        return TowerOptions(projection=kind, input_norm="standard", **options).tower(trunk, dim=4)  # type: ignore[arg-type]

    norms = {f"projections.default.input_norm.{name}" for name in ("mean", "variance")}
    assert norms < set(averaged_tensors(tower("linear")))
    assert norms < set(averaged_tensors(tower("identity")))
    assert not norms & set(averaged_tensors(tower("linear", train_projection=False)))
