import json
from pathlib import Path

import pytest

from clipbio.evaluation.clip_benchmark_results import clip_benchmark_results, write_clip_benchmark
from clipbio.evaluation.figures import Figure, flatten


def measured(task, split, variant, metric, value):
    return Figure.measured((task, split, variant), metric, value=value, interval=(0.1, 0.9), n=20, chance=0.05,
                           species_interval=(0.0, 1.0))  # fmt: skip


METRICS = flatten([
    measured("zero_shot", "test", "common", "top1", 0.5),
    measured("zero_shot", "test", "common", "top5", 0.75),
    measured("zero_shot", "test", "common", "macro_top1", 0.25),
    measured("zero_shot", "test", "common_permuted", "top1", 0.05),
    Figure("zero_shot", "test", "common", "fallbacks", 3),
    measured("zero_shot_bioclip_v1", "test", "common", "top1", 0.4),
    measured("retrieval", "test", "text_to_image", "recall@5", 0.3),
    measured("retrieval", "test", "text_to_image", "mAP", 0.2),
    measured("retrieval", "test", "image_to_text", "recall@5", 0.6),
    measured("linear_probe", "test", "all", "top1", 0.9),
    measured("open_set", "test", "all", "auroc", 0.9),
])  # fmt: skip


def flattened(folder: Path) -> list[dict[str, object]]:
    """Join result files as `clip_benchmark build` is described to: metrics, five names and the full name of a model."""
    rows = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(), parse_constant=pytest.fail)
        row = {
            **content["metrics"],
            **{key: content[key] for key in ("dataset", "model", "pretrained", "task", "language")},
        }
        row["model_fullname"] = f"{content['model']} {content['pretrained']}"
        rows.append(row)
    return rows


def test_build_reads_our_results(tmp_path: Path) -> None:
    results = clip_benchmark_results(
        METRICS, data="birds", model="hf-hub:org/name", pretrained="run/best.ckpt", about={}
    )
    paths = write_clip_benchmark(tmp_path, results)
    assert "birds-test-common_run-best.ckpt_hf-hub-org-name_en_zeroshot_classification.json" in {p.name for p in paths}
    rows = {(row["task"], row["dataset"]): row for row in flattened(tmp_path)}
    assert len(rows) == len(paths) == 4
    zero_shot = rows["zeroshot_classification", "birds/test/common"]
    assert [zero_shot[name] for name in ("acc1", "acc5", "mean_per_class_recall")] == [0.5, 0.75, 0.25]
    assert zero_shot["model_fullname"] == "hf-hub:org/name run/best.ckpt"
    assert rows["zeroshot_classification", "birds/test/common/bioclip_v1"]["acc1"] == 0.4
    retrieval = rows["zeroshot_retrieval", "birds/test"]
    assert (retrieval["image_retrieval_recall@5"], retrieval["text_retrieval_recall@5"]) == (0.3, 0.6)
    assert rows["linear_probe", "birds/test/all"]["lp_acc1"] == 0.9


def test_results_say_more_than_those_of_clip_benchmark() -> None:
    about = {"seeds": {"run": 0}, "hashes": {"weights": "abc"}}
    first = clip_benchmark_results(METRICS, data="birds", model="m", pretrained="p", about=about)[0]
    assert (first["n"]["acc1"], first["intervals"]["acc1"], first["species_intervals"]["acc1"]) == (
        20,
        [0.1, 0.9],
        [0, 1],
    )
    assert (first["seeds"], first["hashes"]) == (about["seeds"], about["hashes"])


def test_published_sets_are_called_by_their_own_names() -> None:
    metrics = flatten(
        [measured("zero_shot", split, "label", "top1", 0.5) for split in ("nabirds", "newt_test", "test")]
    )
    results = clip_benchmark_results(
        metrics, data="birds", model="m", pretrained="p", about={}, sets=["nabirds", "newt"]
    )
    assert [one["dataset"] for one in results] == ["nabirds/label", "newt_test/label", "birds/test/label"]


def test_long_names_stay_apart(tmp_path: Path) -> None:
    result = {"model": "m", "pretrained": "p", "language": "en", "task": "t"}
    paths = write_clip_benchmark(tmp_path, [{"dataset": "x" * 300 + end, **result} for end in "ab"])
    assert len({path.name for path in paths}) == 2
    assert all(len(path.name) < 240 for path in paths)
