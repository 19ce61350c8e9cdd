"""Cross-entropy over taxa through the commands: it learns, is measured by itself, and is read back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from runs import SMALL, here, losses

RANKS = ("kingdom", "family", "genus", "species")


@pytest.mark.parametrize("loss", ["cross_entropy", "hierarchical_cross_entropy"])
def test_a_classifier_learns_and_is_evaluated_on_the_classes_it_knows(
    loss: str, make_garden: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    garden = make_garden(species=3, per_species=4)
    small = [one for one in SMALL if "zero_shot" not in one]
    status, _, err = here(
        capsys, "train", "experiment=cross_entropy", f"loss={loss}", *small, f"data.root={garden}",
        "duration=10 steps", "optim.lr=1e-3", f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    values = losses(tmp_path / "run")
    assert values[-1] < 0.7 * values[0]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    ranks = RANKS if loss.startswith("hierarchical") else ("species",)
    assert {name.split("/")[2] for name in metrics} == set(ranks)
    assert metrics["classification/test/species/top1/n"] == 12
    state = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert sum(name.endswith("keys_C") for name in state) == len(ranks)
    status, _, err = here(
        capsys, "evaluate", f"checkpoint={tmp_path / 'run'}", f"run_dir={tmp_path / 'out'}", "splits=[test]",
        "benchmark=[]", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    again = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert again == {name: value for name, value in metrics.items() if "/test/" in name}


def test_zero_shot_without_text_is_refused_before_training(
    make_garden: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = here(
        capsys, "train", "loss=cross_entropy", *SMALL, f"data.root={make_garden()}", f"run_dir={tmp_path / 'run'}",
        f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 2
    assert "the loss trains no text, and zero_shot would compare images with it: take experiment=cross_entropy" in err
