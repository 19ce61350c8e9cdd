"""Checkpoints: of which version they must be, and what a new projection takes from an old run."""

from pathlib import Path

import pytest
import torch
from torch import nn

from clipbio.checkpoint_files import CHECKPOINT_FORMAT
from clipbio.errors import ClipbioError
from clipbio.losses import infonce_head, sigmoid_head
from clipbio.training.checkpoints import load_into, read_checkpoint, start_heads


def test_a_checkpoint_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.ckpt"
    torch.save({"clipbio": {"format": 99, "config": {}}, "state_dict": {}}, path)
    with pytest.raises(ClipbioError, match=r"other\.ckpt has format 99, this version reads 2: update clipbio"):
        read_checkpoint(path)


def test_a_model_that_was_called_otherwise_is_found(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    for format_ in (1, 2):
        config = {"model": {"_target_": "clipbio.models.dual", "dim": 8}}
        torch.save({"clipbio": {"format": format_, "config": config}, "state_dict": {}}, path)
        found = read_checkpoint(path)["clipbio"]["config"]["model"]
        assert found == {"_target_": "clipbio.models.towers", "dim": 8}


def parts(*names: str) -> dict[str, nn.Module]:
    model = nn.ModuleDict({"projections": nn.ModuleDict({name: nn.Linear(2, 3) for name in names})})
    return {"model": model, "heads": nn.ModuleDict({name: nn.Linear(1, 1) for name in names})}


def test_a_projection_that_a_run_lacks_starts_from_its_default_one() -> None:
    old, new = parts("default"), parts("default", "replay")
    checkpoint = {
        "state_dict": {f"{name}.{key}": value for name, part in old.items() for key, value in part.state_dict().items()}
    }
    with pytest.raises(ClipbioError, match=r"lacks 2 weights such as projections\.replay"):
        load_into(checkpoint, new, Path("run"))
    load_into(checkpoint, new, Path("run"), adopt=True)
    for name in ("default", "replay"):
        assert torch.equal(new["model"]["projections"][name].weight, old["model"]["projections"]["default"].weight)
        assert torch.equal(new["heads"][name].weight, old["heads"]["default"].weight)


def test_a_projection_that_this_run_lacks_is_left_out() -> None:
    old, new = parts("default", "replay"), parts("default")
    checkpoint = {
        "state_dict": {f"{name}.{key}": value for name, part in old.items() for key, value in part.state_dict().items()}
    }
    with pytest.raises(ClipbioError, match="has 2 weights the model does not know"):
        load_into(checkpoint, new, Path("run"))
    load_into(checkpoint, new, Path("run"), adopt=True)
    name = "default"
    assert torch.equal(new["model"]["projections"][name].weight, old["model"]["projections"][name].weight)


def test_heads_of_another_kind_start_anew(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    state = {f"heads.default.{key}": value for key, value in infonce_head(temperature=0.02).state_dict().items()}
    torch.save({"clipbio": {"format": CHECKPOINT_FORMAT, "config": {}}, "state_dict": state}, path)
    same, other = nn.ModuleDict({"default": infonce_head()}), nn.ModuleDict({"default": sigmoid_head()})
    for heads, scale in ((same, 50.0), (other, 10.0)):
        start_heads(heads, path)
        assert heads["default"].logit_scale.exp().item() == pytest.approx(scale)


def test_other_missing_weights_stay_missing() -> None:
    old, new = parts("default"), {"model": nn.ModuleDict({"trunk": nn.Linear(2, 3)})}
    checkpoint = {"state_dict": {f"model.{key}": value for key, value in old["model"].state_dict().items()}}
    with pytest.raises(ClipbioError, match="lacks 2 weights such as trunk"):
        load_into(checkpoint, new, Path("run"), adopt=True)
