"""The verb compare, on folders as evaluations leave them."""

from pathlib import Path

import pytest
from run_folders import KEY, write_run
from runs import here

from clipbio.tasks.positional import with_keys

GOOD, POOR = [1.0] * 50 + [0.0] * 10, [1.0] * 30 + [0.0] * 30


def test_paths_need_no_key(tmp_path: Path) -> None:
    sweep = tmp_path / "lr=0.1"
    sweep.mkdir()
    assert with_keys("compare", ["a", "out=x", "it's", str(sweep)]) == ["out=x", f"runs=['a','it\\'s','{sweep}']"]
    assert with_keys("compare", ["runs=[a]", "--help"]) == ["runs=[a]", "--help"]
    assert with_keys("compare", ["a", "baseline=x/lr=0.1"])[0] == "baseline='x/lr=0.1'"
    assert with_keys("evaluate", ["a"]) == ["a"]


def test_runs_are_compared_and_the_files_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [write_run(tmp_path / name, {KEY: one}) for name, one in (("lr=0.1", GOOD), ("lr=0.2", POOR))]
    out = tmp_path / "out"
    status, text, err = here(capsys, "compare", *map(str, folders), f"out={out}", f"baseline={folders[1]}")
    assert status == 0, err
    assert "+33.3" in text
    assert "difference: to the baseline lr=0.2" in text
    assert {path.name for path in out.iterdir()} == {
        "leaderboard.html", "leaderboard.md", "leaderboard.csv", "leaderboard.json", "leaderboard.tex", "report_files",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["baseline=on"], "baseline=on is none of the runs (one, two); did you mean 'one'?"),
        (["metrics=['zero_shot/tst/*']"], "no figure of these runs is called zero_shot/tst/*"),
        (["unit=specimen"], "unit=specimen is unknown; valid are: specimens, species"),
        (["alpha=5"], "alpha=5 must lie between 0 and 1"),
        (["expected=biocap"], "expected=biocap: nothing is known to be published"),
        (["resamples=-1"], "resamples=-1 must not be negative"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], overrides: list[str], told: str
) -> None:
    folders = [write_run(tmp_path / name, {KEY: one}) for name, one in (("one", GOOD), ("two", POOR))]
    status, _, err = here(capsys, "compare", *map(str, folders), *overrides)
    assert status == 2
    assert told in err
    assert len(err.strip().splitlines()) == 1
