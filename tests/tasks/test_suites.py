"""Published data sets as benchmarks: each entry on data in its layout, and evaluations of several."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from pathlib import Path

import numpy as np
import published_sets as made
import pytest
import torch
import yaml
from runs import ROOT, here
from torch.nn import functional

from clipbio.config import compose, plain
from clipbio.data.splits import SplitRows
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import further_splits, run_benchmarks
from clipbio.evaluation.embed import Gathered
from clipbio.evaluation.joining import Joiner
from clipbio.tasks.embeddings import Measured
from clipbio.tasks.evaluate import _complete
from clipbio.tasks.list_suites import shipped_suites
from clipbio.tasks.parts import build_benchmarks
from clipbio.tasks.suite_data import SuiteData
from clipbio.tasks.suite_runs import OpenSuite, measured_sets, open_suites, shown_as
from clipbio.tasks.suites import Suite, build_suites

WIDTH = 16
SINGLE = {"nabirds", "inat21", "birds525", "rare_species", *(n for n, w in made.SETS.items() if w is made.labels_csv)}


def config_of(names: list[str], root: Path, *more: str) -> dict:
    return plain(compose("evaluate", [
        f"benchmark=[{','.join(names)}]", f"benchmark_root={root}", f"cache_dir={root.parent / 'cache'}", *more,
    ]))  # fmt: skip


@lru_cache
def shipped() -> dict[str, Suite]:
    return shipped_suites(None)


def written(name: str, root: Path) -> Path:
    """Write a data set where its entry looks for it."""
    made.SETS[name](root / shipped()[name].folder)
    return root


def vectors(count: int) -> torch.Tensor:
    return functional.normalize(torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(0)), dim=1)


def measured(one: OpenSuite) -> Measured:
    """Run the tasks of a set on vectors that mean nothing."""
    join = Joiner(list(one.data.splits.values()))

    def data(split: SplitRows):
        found = dict.fromkeys(("image", "dna"), vectors(len(split)))
        present = {"image": torch.ones(len(split), dtype=torch.bool)}
        present["dna"] = torch.tensor([bool(split.index.dna_digests[int(row)]) for row in split.rows])
        found["dna"] = found["dna"] * present["dna"][:, None]
        return join(split, Gathered(np.asarray(split.rows), found, present, {}))

    further = further_splits(one.benchmarks, one.splits, one.data.splits)
    judged = {name: data(one.data.splits[name]) for name in one.splits}
    compared = {name: data(one.data.splits[name]) for name in further}
    encode = lambda texts: vectors(len(texts))  # noqa: E731
    return Measured(
        judged, compared, run_benchmarks(one.benchmarks, judged.values(), encode, further=compared.values())
    )


@pytest.mark.parametrize("name", sorted(made.SETS))
def test_each_set_is_read_in_its_layout_and_its_tasks_run(name: str, tmp_path: Path, caplog) -> None:
    written(name, tmp_path / "sets")
    with caplog.at_level(logging.WARNING, "clipbio"):
        (one,) = open_suites(config_of([name], tmp_path / "sets"), World())
    assert not one.data.folder.manifest.defects
    assert {count.found > 0 for count in one.counts} == {True}
    wrong = [str(count) for count in one.counts if count.differs]
    assert len([line for line in caplog.messages if "are published" in line]) == len(wrong)
    result = shown_as(measured(one), one.shown).result
    assert result.metrics
    shown = name if name in SINGLE or "camera" in one.suite.folder else f"{name}_{one.splits[0]}"
    assert {key.split("/")[1].removesuffix("@all").split("+")[0] for key in result.metrics} >= {shown}
    assert all(key.split("/")[1].startswith(name) for key in result.metrics)


def test_every_entry_is_a_data_set_that_is_tried_here() -> None:
    suites = shipped_suites(None)
    assert set(suites) == set(made.SETS)
    assert {suite.place for suite in suites.values()} == {None}
    assert all(suite.get.strip() and suite.title for suite in suites.values())


def test_a_set_that_is_not_here_says_how_to_get_it(tmp_path: Path) -> None:
    config = plain(compose("evaluate", ["benchmark=[nabirds]"]))
    with pytest.raises(ClipbioError, match=r"give benchmark_root=FOLDER .* Ask for NABirds at"):
        open_suites(config, World())
    with pytest.raises(ClipbioError, match=r"sets/nabirds is not there. NABirds: Ask for"):
        open_suites(config_of(["nabirds"], tmp_path / "sets"), World())
    (tmp_path / "sets" / "nabirds").mkdir(parents=True)
    with pytest.raises(ClipbioError, match=r"benchmark=nabirds: .* holds no images.txt; .* The layout: Ask for"):
        open_suites(config_of(["nabirds"], tmp_path / "sets"), World())


def test_a_root_of_its_own_strict_numbers_and_unknown_settings(tmp_path: Path) -> None:
    made.nabirds(tmp_path / "elsewhere")
    root = f"benchmark.nabirds.root={tmp_path / 'elsewhere'}"
    (one,) = open_suites(config_of(["nabirds"], tmp_path / "none", root), World())
    assert [(count.found, count.expected) for count in one.counts] == [(3, 48562), (2, 555)]
    assert one.summary["images in nabirds"] == "3 found, 48,562 are published"
    with pytest.raises(ClipbioError, match=r"NABirds, test: 3 images found, 48,562 are published; get what"):
        open_suites(config_of(["nabirds"], tmp_path, root, "benchmark.nabirds.strict=true"), World())
    with pytest.raises(ClipbioError, match=r"source\.splot is no setting"):
        open_suites(config_of(["nabirds"], tmp_path, root, "+benchmark.nabirds.source.splot=1"), World())
    with pytest.raises(ClipbioError, match=r"tasks\.zero_shot\.templates is no setting"):
        open_suites(config_of(["nabirds"], tmp_path, root, "+benchmark.nabirds.tasks.zero_shot.templates=x"), World())
    with pytest.raises(ClipbioError, match=r"unknown split 'tset'; did you mean 'test'"):
        build_suites(config_of(["nabirds"], tmp_path, "benchmark.nabirds.splits=[tset]"))


def test_settings_of_a_task_and_further_tasks(tmp_path: Path) -> None:
    root = written("nabirds", tmp_path / "sets")
    more = [
        "benchmark.nabirds.tasks.zero_shot.template=plain",
        "+benchmark@benchmark.nabirds.tasks.retrieval=retrieval",
    ]
    (one,) = open_suites(config_of(["nabirds"], root, *more), World())
    assert list(one.benchmarks) == ["zero_shot", "few_shot", "retrieval"]
    assert one.benchmarks["zero_shot"].styles[0].template == "plain"
    (both,) = open_suites(config_of(["nabirds"], root, "protocol=[clipbio,bioclip_v2]"), World())
    assert {"few_shot", "few_shot_bioclip_v2"} <= set(both.benchmarks)
    with pytest.raises(ClipbioError, match=r"benchmark.nabirds is a data set, not a benchmark"):
        build_benchmarks(config_of(["nabirds"], root))


def run(capsys, folder: Path, root: Path, *overrides: str) -> tuple[int, str]:
    status, _, err = here(
        capsys, "evaluate", "model=tiny", f"benchmark_root={root}", f"cache_dir={root.parent / 'cache'}",
        f"run_dir={folder}", *overrides,
    )  # fmt: skip
    return status, err


def test_several_sets_without_data_in_one_evaluation(tmp_path: Path, capsys) -> None:
    root = tmp_path / "sets"
    for name in ("nabirds", "cub", "rare_species"):
        written(name, root)
    status, err = run(
        capsys, tmp_path / "run", root, "benchmark=[nabirds,cub,rare_species]",
        "benchmark.nabirds.source.split=published", "benchmark.rare_species.tasks.zero_shot.template=photo",
    )  # fmt: skip
    assert status == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {
        "zero_shot/nabirds_test/label/top1",
        "zero_shot/cub_test/label/top1",
        "zero_shot/rare_species/taxonomic_common/top1",
    } <= set(metrics)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "11,983 are published" in page
    assert "3 found" in page
    assert page.count("data:image/jpeg") + page.count("<img") > 3
    about = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert about["suites"]["cub"]["counts"][0] == {
        "split": "test", "what": "images", "found": 4, "expected": 5794,
    }  # fmt: skip
    assert about["templates"]["rare_species/zero_shot"]["id"].startswith("photo")
    assert about["splits"]["nabirds_test"]["images"] == 1


def test_a_set_that_a_task_refuses_is_left_out_and_data_of_a_checkpoint_are_not_asked_for(caplog) -> None:
    def refuse(*_: object) -> Measured:
        raise ClipbioError("no")

    one = OpenSuite("cub", shipped()["cub"], SuiteData(None, cache_dir=""), (), {})
    assert measured_sets([one], refuse, alone=False) == []
    with pytest.raises(ClipbioError, match="no"):
        measured_sets([one], refuse, alone=True)
    config = {"model": None, "data": None, "expected": None}
    assert _complete(config, {"model": {"a": 1}, "data": {"root": "gone"}}, True, False) == {
        "model": {"a": 1},
        "data": None,
        "expected": None,
    }
    with pytest.raises(ClipbioError, match="no data to evaluate on"):
        _complete({"model": {"a": 1}, "expected": None}, {}, False, False)


def test_a_set_beside_data_and_splits_without_data(make_garden, tmp_path: Path, capsys) -> None:
    root = written("rare_species", tmp_path / "sets")
    status, err = run(capsys, tmp_path / "no", root, "benchmark=[rare_species]", "splits=[test]")
    assert (status, "splits= is about data" in err) == (2, True)
    garden = make_garden(species=3, per_species=4)
    status, err = run(
        capsys, tmp_path / "run", root, "benchmark=[zero_shot,rare_species]", "data=table", f"data.root={garden}",
        "data.num_workers=0", "splits=[test]",
    )  # fmt: skip
    assert status == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {"zero_shot/test/common/top1", "zero_shot/rare_species/taxonomic_common/top1"} <= set(metrics)


def test_the_list_of_sets(tmp_path: Path, capsys) -> None:
    root = written("nabirds", tmp_path / "sets")
    status, out, _ = here(capsys, "suites", f"benchmark_root={root}", "name=cub")
    assert status == 0
    assert "CUB_200_2011.tgz" in out
    assert "rare_species" in out
    assert "yes" in next(line for line in out.splitlines() if "nabirds" in line)
    (root / "cub").mkdir()
    _, out, _ = here(capsys, "suites", f"benchmark_root={root}", "name=cub")
    assert "not whole" in " ".join(next(line for line in out.splitlines() if " cub " in line).split())
    status, _, err = here(capsys, "suites", "name=cubs")
    assert (status, "did you mean 'cub'" in err) == (2, True)


def test_published_figures_of_data_sets_stand_under_the_names_of_entries() -> None:
    told = yaml.safe_load((ROOT / "clipbio" / "evaluation" / "expected.yaml").read_text())
    splits = {key.split("/")[1] for one in told["published"] for key in one["values"] if "+" not in key}
    named = {split.removesuffix("_test").removesuffix("_train") for split in splits} - {"test", "unseen", "val"}
    assert named <= {*made.SETS, *told["mean_of"]}
    assert {name for names in told["mean_of"].values() for name in names} <= set(made.SETS)
