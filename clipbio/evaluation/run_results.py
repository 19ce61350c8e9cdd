"""What an evaluation or a training run has left in its folder, read back for comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.evaluation.answer_files import ANSWERS, read_answers
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.expected import with_means
from clipbio.evaluation.figures import Figure, parse, read_metrics
from clipbio.files import read_json

__all__ = ["EVALUATION", "RunResults", "read_runs"]

EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class RunResults:
    """Figures of a run by key, single answers where it has kept them, and what was measured (empty if not told)."""

    name: str
    folder: Path
    figures: Mapping[str, Figure]
    answers: Mapping[str, Answers]
    identity: Mapping[str, Any]

    @cached_property
    def model(self) -> Mapping[str, Any]:
        """What evaluation.json says of the model."""
        return dict(self.identity.get("model") or {})

    def facts(self, split: str) -> dict[str, tuple[str, str]]:
        """Return hashes of ids and classes for each part of a split (`test@all`, `test+unseen`); empty if unknown."""
        known = self.identity.get("splits") or {}
        parts = [part.removesuffix("@all") for part in split.split("+")]
        return {part: (known[part]["ids_hash"], known[part]["classes_hash"]) for part in parts if part in known}


def read_runs(folders: Sequence[str | Path]) -> list[RunResults]:
    """Read run folders; each is named by as much of its path as tells it from the others.

    Raises:
        ClipbioError: A folder is no run, is given twice, or its files are damaged.
    """
    paths = [Path(folder).expanduser().resolve() for folder in folders]
    for path in paths:
        if paths.count(path) > 1:
            raise ClipbioError(f"{path} is given twice; give each run once")
        if not (path / "metrics.json").exists():
            raise ClipbioError(
                f"{path} holds no metrics.json; give folders of evaluations or of finished training runs"
            )
    return [_read(name, path) for name, path in zip(_names(paths), paths, strict=True)]


def _names(paths: Sequence[Path]) -> list[str]:
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def _read(name: str, path: Path) -> RunResults:
    metrics = with_means(read_metrics(path / "metrics.json"))
    figures = {one.key: one for one in parse(metrics) if one.n is not None and one.value is not None}
    identity = read_json(path / EVALUATION) if (path / EVALUATION).exists() else {}
    if not isinstance(identity, dict):
        raise ClipbioError(f"{path / EVALUATION} is not one object; evaluate the run again")
    return RunResults(name, path, figures, read_answers(path / ANSWERS), identity)
