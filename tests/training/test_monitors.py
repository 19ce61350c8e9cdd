"""The monitors in a run: what is logged, when, and over all processes."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from processes import in_group, spawn
from torch.nn import functional

from clipbio.losses import infonce_head
from clipbio.models.multi import MultiTower
from clipbio.training.monitors import Monitors
from clipbio.training.watch import Watch

B, D = 8, 4


def part(rows: slice = slice(None)) -> dict[str, object]:
    present = torch.tensor([True] * 7 + [False])[rows]
    species = torch.tensor([1, 1, 2, 2, 3, 4, 5, 6])[rows]
    return {
        "ids": [str(row) for row in range(B)[rows]],
        "present": {"image": torch.ones(B, dtype=torch.bool)[rows], "text": present},
        "text_B": torch.tensor([1, 1, 1, 1, 5, 6, 7, 8])[rows],
        "taxon_BR": torch.stack([torch.full_like(species, 9), species], dim=1),
        "text_types": (["common"] * 4 + ["taxonomic"] * 4)[rows],
    }


def outputs(rows: slice = slice(None)) -> dict[str, object]:
    generator = torch.Generator().manual_seed(3)
    vectors = {
        name: functional.normalize(torch.randn(B, D, generator=generator), dim=1)[rows] for name in ("image", "text")
    }
    row_loss = torch.tensor([1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 6.0, math.nan])[rows]
    return {"loss": row_loss.nanmean(), "embeddings": {"default": vectors}, "row_loss": {"default": row_loss}}


class Module:
    """The little of the training module that monitors read."""

    def __init__(self, **head: object) -> None:
        self.heads = {name: infonce_head(**head) for name in ("default", "replay")}
        self.loss_weights = {"default": 1.0, "replay": 1.0}
        self.model = MultiTower.__new__(MultiTower)
        torch.nn.Module.__init__(self.model)
        self.model.towers = torch.nn.ModuleDict()
        self.device = torch.device("cpu")
        self.recipe = SimpleNamespace(warmup_steps=lambda length: 0)
        self.length = None


class Logger:
    """A logger that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, dict[str, float]]] = []

    def log_metrics(self, values: dict[str, float], step: int) -> None:
        self.lines.append((step, values))


def trainer(step: int, logger: Logger | None = None, *, every: int = 2) -> SimpleNamespace:
    return SimpleNamespace(
        global_step=step,
        accumulate_grad_batches=1,
        log_every_n_steps=every,
        is_global_zero=True,
        loggers=[logger or Logger()],
    )


def logged(*steps: dict[str, object]) -> list[tuple[int, dict[str, float]]]:
    """Return the lines that monitors write, given the batch and outputs of some logging steps."""
    module, monitors, logger = Module(), Monitors(), Logger()
    monitors.on_train_start(trainer(0), module)
    for number, step in enumerate(steps, start=1):
        monitors.on_train_batch_end(trainer(2 * number, logger), module, step["outputs"], step["batch"], 0)
    return logger.lines


def step_of(rows: slice = slice(None)) -> dict[str, object]:
    return {"outputs": outputs(rows), "batch": {"default": part(rows)}}


def test_the_values_of_one_batch() -> None:
    [(step, values)] = logged(step_of())
    # The number under which Lightning writes the loss of this step.
    assert step == 1
    assert values["monitor/duplicates/text"] == 0.5
    assert values["monitor/duplicates/taxon"] == 0.5
    assert values["monitor/loss/common"] == 1.5
    assert values["monitor/loss/taxonomic"] == 4.0
    image, text = outputs()["embeddings"]["default"].values()
    assert values["monitor/gap/image-text"] == pytest.approx(float((image.mean(0) - text[:7].mean(0)).norm()), rel=1e-5)
    assert 1 < values["monitor/effective_rank/text"] <= D


def test_another_projection_has_keys_of_its_own() -> None:
    both = {name: outputs()["embeddings"]["default"] for name in ("default", "replay")}
    step = {"outputs": {**outputs(), "embeddings": both}, "batch": {"default": part(), "replay": part()}}
    [(_, values)] = logged(step)
    assert values["monitor/duplicates/replay/text"] == 0.5
    assert values["monitor/gap/replay/image-text"] == values["monitor/gap/image-text"]
    assert "monitor/loss/replay/common" not in values


def test_the_loss_of_a_kind_of_text_that_is_absent_is_not_repeated() -> None:
    lines = logged(step_of(slice(0, 4)), step_of(slice(4, 8)))
    assert [sorted(key for key in values if "/loss/" in key) for _, values in lines] == [
        ["monitor/loss/common"],
        ["monitor/loss/taxonomic"],
    ]


def test_nothing_is_measured_between_logging_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    module, monitors = Module(), Monitors(Watch())
    monitors.on_train_start(trainer(0), module)
    monkeypatch.setattr("clipbio.training.monitors._measure", lambda *_, **__: pytest.fail("measured"))
    heard: list[object] = []
    monkeypatch.setattr("clipbio.training.norms.ProjectionNorms.attach", lambda self, model: heard.append(model))
    monitors.on_train_batch_start(trainer(0, every=3), module, part(), 0)
    monitors.on_train_batch_end(trainer(1, every=3), module, outputs(), {"default": part()}, 0)
    monitors.on_train_batch_start(trainer(1, every=3), module, part(), 1)
    monitors.on_train_batch_end(trainer(2, every=3), module, outputs(), {"default": part()}, 1)
    assert heard == []
    monitors.on_train_batch_start(trainer(2, every=3), module, part(), 2)
    assert len(heard) == 1


@pytest.mark.parametrize(("targets", "warned"), [("instance", True), ("taxon", False)])
def test_texts_that_are_made_negatives_are_warned_of(
    targets: str, warned: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    module, monitors = Module(targets=targets), Monitors(Watch(window=2, duplicates=0.4))
    monitors.on_train_start(trainer(0), module)
    with caplog.at_level("WARNING"):
        for step in (2, 4, 6):
            monitors.on_train_batch_end(trainer(step), module, outputs(), {"default": part()}, 0)
    assert [record.message for record in caplog.records if "loss.targets=taxon" in record.message] == (
        [record.message for record in caplog.records] if warned else []
    )
    assert len(caplog.records) == warned


def _share(rank: int, folder: Path) -> None:
    # The first process sees common names alone, the second taxonomic ones.
    own = step_of(slice(rank * 4, rank * 4 + 4))
    torch.save(in_group(rank, 2, folder / "meet", lambda: logged(own)[0][1]), folder / f"{rank}.pt")


def test_two_processes_log_what_one_with_the_whole_batch_does(tmp_path: Path) -> None:
    spawn(_share, tmp_path)
    [(_, whole)] = logged(step_of())
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt") == pytest.approx(whole, rel=1e-5)
