import json
from pathlib import Path

from clipbio.training.loggers import JsonLinesLogger, read_history


def test_numbers_that_json_lacks_are_null_and_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    log = JsonLinesLogger(tmp_path / "metrics.jsonl")
    log.log_metrics({"train/loss": float("nan"), "epoch": 0.0, "x": 1.5}, step=3)
    with log.path.open("a") as file:
        file.write('{"step": 4, "train')
    assert json.loads(log.path.read_text().splitlines()[0]) == {"step": 3, "train/loss": None, "x": 1.5}
    assert [line["step"] for line in read_history(log.path)] == [3]
    assert read_history(tmp_path / "nothing.jsonl") == []
