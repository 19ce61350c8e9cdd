"""The container files and the workflow name files that there are, commands of the Makefile, and no host of packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github/workflows/test.yml"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
APPTAINER = (ROOT / "apptainer.def").read_text()


def copied(dockerfile: str) -> set[str]:
    """Return what a Dockerfile takes from the folder that it is built in."""
    lines = [
        line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ") and "--from" not in line
    ]
    return {name for names in lines for name in names}


def test_the_image_takes_what_there_is_and_what_is_sent_to_the_builder() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied(DOCKERFILE) == sent
    assert [name for name in sent if not (ROOT / name).exists()] == []


def test_the_image_takes_all_that_is_packed() -> None:
    target = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*target["packages"], *target.get("force-include", {})} <= copied(DOCKERFILE)


def test_apptainer_installs_the_same() -> None:
    files = {line.split()[0] for line in re.search(r"%files\n((?: .*\n)+)", APPTAINER)[1].splitlines()}
    assert files == copied(DOCKERFILE)
    for command in ("uv pip sync --require-hashes", "uv pip install --no-deps"):
        assert command in DOCKERFILE
        assert command in APPTAINER
    assert set(re.findall(r"uv==[\d.]+", DOCKERFILE + APPTAINER)) == {"uv==0.13.9"}


def test_the_image_runs_as_nobody_special() -> None:
    lines = DOCKERFILE.splitlines()
    assert lines.index("USER clipbio") > max(place for place, line in enumerate(lines) if line.startswith("RUN"))


def test_the_workflow_runs_what_the_makefile_offers() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert {"make test", "make docs"} <= set(commands)
    assert {command.removeprefix("make ").split()[0] for command in commands} <= targets
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)


@pytest.mark.parametrize("name", ["Dockerfile", "apptainer.def", ".github/workflows/test.yml", "mkdocs.yml"])
def test_no_host_of_packages_is_written_down(name: str) -> None:
    assert re.findall(r"https?://\S+", (ROOT / name).read_text()) == []
