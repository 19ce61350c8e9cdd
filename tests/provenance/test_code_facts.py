"""The code of a run: commit, diff and hash; and nothing secret."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from clipbio.provenance.code import DIFF, git_facts, read_diff, source_hash, write_diff
from clipbio.provenance.environment import environment
from clipbio.provenance.packages import installed, read_packages, write_packages
from clipbio.urls import strings_without_passwords, without_passwords


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A checkout with a package of one committed module."""
    folder = tmp_path / "checkout" / "package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("A = 1\n")
    (folder / "logo.png").write_bytes(b"\x00\xff")
    (folder / "names.csv").write_bytes("# Ramírez\r\n".encode("latin-1"))
    git(folder.parent, "init", "-q", "-b", "trunk")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "One")
    return folder


def test_a_clean_checkout_has_a_commit_and_no_diff(package: Path, tmp_path: Path) -> None:
    facts = git_facts(package)
    assert len(facts["commit"]) == 40
    assert (facts["branch"], facts["changed"], facts["remote"]) == ("trunk", False, None)
    write_diff(tmp_path, read_diff(package))
    assert not (tmp_path / DIFF).exists()


def test_the_diff_of_a_changed_checkout_makes_the_code_again(package: Path, tmp_path: Path) -> None:
    (package / "__init__.py").write_text("A = 2\n")
    (package / "logo.png").write_bytes(b"\x00\xff\x01")
    (package / "names.csv").write_bytes("# Ramírez, Müller\r\n".encode("latin-1"))
    git(package, "config", "diff.noprefix", "true")
    (package / "new.py").write_text("B = 1\n")
    diff = read_diff(package)
    assert git_facts(package)["changed"] is True
    assert list(diff.facts["untracked"]) == ["package/new.py"]
    assert diff.facts["cut"] is False
    write_diff(tmp_path, diff)
    git(package, "checkout", "--", ".")
    git(package.parent, "apply", str(tmp_path / DIFF))
    assert (package / "__init__.py").read_text() == "A = 2\n"
    assert (package / "logo.png").read_bytes() == b"\x00\xff\x01"
    assert (package / "names.csv").read_bytes() == "# Ramírez, Müller\r\n".encode("latin-1")


def test_a_large_diff_is_cut_and_says_so(package: Path) -> None:
    (package / "__init__.py").write_text("A = 2\n" * 1000)
    diff = read_diff(package, most=100)
    assert len(diff.content) == 100
    assert diff.facts["cut"] is True
    assert diff.facts["bytes"] > 6000


def test_the_password_of_a_remote_is_never_told(package: Path) -> None:
    git(package, "remote", "add", "origin", "https://ann:s3cret@example.org/repo.git")
    assert git_facts(package)["remote"] == "https://example.org/repo.git"
    assert without_passwords("data.root=s3://key:word@bucket/x") == "data.root=s3://bucket/x"
    assert without_passwords("https://u:p@ss@host/a@b.tar") == "https://host/a@b.tar"
    assert without_passwords("data.root=https://h/s.tar?token=SECRET&X=1 resume=auto") == (
        "data.root=https://h/s.tar?... resume=auto"
    )
    assert strings_without_passwords({"data": {"root": ["s3://k:w@b/x", None, 1]}}) == {
        "data": {"root": ["s3://b/x", None, 1]}
    }


def test_a_wheel_inside_another_checkout_has_no_commit(package: Path) -> None:
    wheel = package / "site-packages" / "wheel"
    wheel.mkdir(parents=True)
    (wheel / "__init__.py").write_text("")
    assert git_facts(wheel) == {}
    assert read_diff(wheel).facts["untracked"] == {}
    assert git_facts(package)["commit"]


def test_the_hash_of_the_source_is_that_of_its_content(package: Path, tmp_path: Path) -> None:
    copy = tmp_path / "wheel"
    copy.mkdir()
    (copy / "__init__.py").write_text("A = 1\n")
    assert source_hash(copy) == source_hash(package)
    other = tmp_path / "other"
    other.mkdir()
    (other / "__init__.py").write_text("A = 2\n")
    assert source_hash(other) != source_hash(package)


def test_only_variables_of_the_list_are_stored() -> None:
    given = {"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "0", "HOME": "/home/ann", "WANDB_API_KEY": "s3cret",
             "NCCL_TOKEN": "s3cret", "SLURM_JOB_ID": "7", "AWS_SECRET_ACCESS_KEY": "s3cret"}  # fmt: skip
    assert environment(given) == {"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "0", "SLURM_JOB_ID": "7"}


def test_all_packages_are_written_as_pip_reads_them(tmp_path: Path) -> None:
    write_packages(tmp_path)
    assert read_packages(tmp_path) == installed()
    assert {"torch", "numpy", "pytest"} <= {*installed()}
    assert read_packages(tmp_path / "nowhere") == {}
