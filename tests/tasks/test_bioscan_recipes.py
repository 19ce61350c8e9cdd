"""The recipes of BIOSCAN-CLIP run on tables of the published layout, with small towers."""

import json
from pathlib import Path

import pytest
from published_shards import bioscan_1m, bioscan_5m, shrunk_clibd
from runs import here

RANKS = ("order", "family", "genus", "species")


@pytest.mark.parametrize(("experiment", "source", "benchmark", "published"), [
    pytest.param("bioscan_clip_1m", "bioscan1m", "key_query", "59.3", marks=pytest.mark.slow),
    pytest.param("bioscan_clip_5m", "bioscan5m", "key_query", "76.0", marks=pytest.mark.slow),
    ("bioscan_clip_compat", "bioscan1m", "key_query_clibd", "59.3"),
])  # fmt: skip
def test_a_recipe_runs_on_the_published_layout(
    experiment: str, source: str, benchmark: str, published: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = (bioscan_1m if source == "bioscan1m" else bioscan_5m)(tmp_path / "published")
    shards = tmp_path / "shards"
    status, _, err = here(
        capsys, "prepare", f"source={source}", f"source.root={root}", f"out={shards}", "progress=false",
    )  # fmt: skip
    assert status == 0, err
    given = [
        f"experiment={experiment}", f"data.root={shards}", "debug=fast", "progress=false", "data.batch_size=8",
        "trainer.accelerator=cpu", "trainer.precision=32-true", f"benchmark.{benchmark}.bootstrap=5",
        *shrunk_clibd(tmp_path / "bert"), f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
    ]  # fmt: skip
    status, _, err = here(capsys, "train", *given)
    assert status == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for rank in RANKS:
        assert 0 <= metrics[f"{benchmark}/test+unseen/image_to_dna/{rank}/macro@1"] <= 1
    assert metrics[f"{benchmark}/unseen/dna_to_dna/species/micro@1/n"] == 12
    logged = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert any("train/loss/dna-text" in line for line in logged)
    out = tmp_path / "out"
    status, _, err = here(
        capsys, "evaluate", f"checkpoint={tmp_path / 'run'}", "benchmark=key_query", "splits=[test,unseen]",
        "protocol=clibd", "benchmark.key_query.keys=[image,dna]", "benchmark.key_query.bootstrap=5",
        f"run_dir={out}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    beside = (out / "report.md").read_text().partition("Beside published figures")[2]
    assert sum(f"| {published} |" in line for line in beside.splitlines()) == 1
