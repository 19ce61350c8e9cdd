"""The command, from the settings to the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tables import MakeTable, rows_of

from clipbio.cli import main


@pytest.fixture(autouse=True)
def words_for_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipbio.checking.check.clip_tokens", lambda: lambda text: list(range(len(text.split()))))


def test_a_root_or_a_source_is_checked_and_written(
    make_table: MakeTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_table(rows_of(4))
    for number, given in enumerate(([f"root={root}"], ["source=table", f"source.root={root}"])):
        out = tmp_path / f"report-{number}"
        assert main(["check", *given, f"out={out}", "context_length=9"]) == 0
        written = json.loads((out / "check.json").read_text())
        assert (written["totals"]["specimens"], written["options"]["context_length"]) == (4, 9)
        assert "Pica hudsonia" in (out / "check.html").read_text()
    assert "4 specimens" in " ".join(capsys.readouterr().out.split())


def test_strict_turns_defects_into_a_failing_exit_status(
    make_table: MakeTable, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(4)
    rows[1]["image"] = "gone.jpg"
    root = make_table(rows)
    assert main(["check", f"root={root}"]) == 0
    assert main(["check", f"root={root}", "strict=true"]) == 2
    assert f"clipbio: {root}: 1 errors, 0 warnings, see the table above" in capsys.readouterr().err


def test_other_splits_are_looked_at_in_a_source_alone(
    make_table: MakeTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_table(rows_of(40))
    assert main(["check", "source=table", f"source.root={root}", "split=hashed", f"out={tmp_path / 'out'}"]) == 0
    written = json.loads((tmp_path / "out/check.json").read_text())
    assert len(written["splits"]) > 1
    assert main(["check", f"root={root}", "split=hashed"]) == 2
    assert "split= goes with source=NAME" in capsys.readouterr().err


def test_several_sources_are_checked_as_one(make_table: MakeTable, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = make_table(rows_of(3), "one"), make_table(rows_of(5), "other")
    sources = f"sources={{a: {{format: table, root: '{one}'}}, b: {{format: table, root: '{other}'}}}}"
    assert main(["check", sources]) == 0
    drawn = " ".join(capsys.readouterr().out.split())
    assert "a, b: source, 5 specimens" in drawn, "three of b are the photos of a"


@pytest.mark.parametrize("given", [[], ["root=somewhere", "source=table", "source.root=somewhere"]])
def test_exactly_one_of_root_and_source_is_given(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *given]) == 2
    assert "give root=FOLDER" in capsys.readouterr().err
