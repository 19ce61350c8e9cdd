import json
from pathlib import Path

import pytest

from clipbio.errors import ClipbioError
from clipbio.training.loggers import JsonLinesLogger, read_history, wandb_logger


def test_numbers_that_json_lacks_are_null_and_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    log = JsonLinesLogger(tmp_path / "metrics.jsonl")
    log.log_metrics({"train/loss": float("nan"), "epoch": 0.0, "x": 1.5}, step=3)
    with log.path.open("a") as file:
        file.write('{"step": 4, "train')
    assert json.loads(log.path.read_text().splitlines()[0]) == {"step": 3, "train/loss": None, "x": 1.5}
    assert [line["step"] for line in read_history(log.path)] == [3]
    assert read_history(tmp_path / "nothing.jsonl") == []


def test_a_continued_run_joins_the_wandb_run_it_began_with(tmp_path: Path) -> None:
    settings = {"project": "p", "name": "n", "mode": "offline", "folder": str(tmp_path / "run")}
    first, second = wandb_logger(**settings), wandb_logger(**settings)
    assert first.version == second.version
    other = wandb_logger(**{**settings, "folder": str(tmp_path / "other")})
    assert other.version != first.version
    with pytest.raises(ClipbioError, match="must be offline or online"):
        wandb_logger(**{**settings, "mode": "onlin"})
