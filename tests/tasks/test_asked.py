"""Values of a wrong kind end in one line, before anything is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runs import here

from clipbio.checking.options import CheckOptions
from clipbio.errors import ClipbioError
from clipbio.tasks.asked import report_folder


@pytest.mark.parametrize(
    ("verb", "given", "message"),
    [
        ("audit", "strict=maybe", "strict=maybe must be true or false"),
        ("check", "strict=maybe", "strict=maybe must be true or false"),
        ("check", "max_images=abc", "max_images=abc must be a whole number"),
        ("check", "context_length=null", "context_length=null must be a whole number"),
        ("audit", "out=HERE/file", "file is a file; give a folder"),
        ("check", "out=HERE/file/report", "file is a file; give a folder"),
    ],
)
def test_reports_refuse_wrong_values(verb: str, given: str, message: str, tmp_path: Path, make_garden, capsys) -> None:
    (tmp_path / "file").write_text("")
    status, _, errors = here(capsys, verb, f"root={make_garden()}", given.replace("HERE", str(tmp_path)))
    assert status == 2
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("verb", "given", "message"),
    [
        ("prepare", "parts=two", "parts=two must be a whole number"),
        ("split", "overwrite=maybe", "overwrite=maybe must be true or false"),
        ("split", "split.shares=0.8", "split.shares=0.8 must be a dictionary such as"),
        ("split", "split.by=null", "split.by=null must be text or a list such as"),
    ],
)
def test_sources_refuse_wrong_values(verb: str, given: str, message: str, tmp_path: Path, make_garden, capsys) -> None:
    more = [f"source.root={make_garden()}", f"out={tmp_path}/out.csv", "split=hashed"]
    status, _, errors = here(capsys, verb, *more, given)
    assert status == 2
    assert message in errors
    assert errors.count("\n") == 1


def test_a_folder_of_reports_may_have_a_number_for_a_name() -> None:
    assert [report_folder(value) for value in (None, "", 2026)] == [None, None, Path("2026")]


def test_a_choice_is_true_or_false() -> None:
    with pytest.raises(ClipbioError, match="decode=maybe must be true or false"):
        CheckOptions(decode="maybe")  # type: ignore[arg-type]


def test_the_audit_reads_urls_as_training_does(make_garden, tmp_path: Path, capsys) -> None:
    shards = tmp_path / "shards"
    source = f"source.root={make_garden(splits=('train', 'test'))}"
    assert here(capsys, "prepare", source, f"out={shards}")[0] == 0
    given = [f"root=file://{shards}", f"cache_dir={tmp_path}/cache", f"out={tmp_path}/out"]
    status, _, errors = here(capsys, "audit", *given)
    assert status == 0, errors
    assert json.loads((tmp_path / "out/leakage.json").read_text())["pairs"] == 1
