"""The model card of a run folder, made of the files that the run has left in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from clipbio.errors import ClipbioError
from clipbio.exporting.card import RunFacts, model_card, read_run
from clipbio.files import read_json

__all__ = ["CARD", "run_card"]

# Inside a run folder.
CARD = "model_card.md"
_USAGE = """```bash
python -m clipbio evaluate checkpoint=RUN run_dir=OUT          # the figures below again, or other benchmarks
python -m clipbio predict PICTURE ... checkpoint=RUN           # names for pictures
python -m clipbio export checkpoint=RUN out=FOLDER format=open_clip
python -m clipbio reproduce RUN                                # train it again and compare
```"""


def run_card(folder: Path) -> str:
    """Return the card of a finished run.

    Raises:
        ClipbioError: A file of the run cannot be read.
    """
    run, metrics = read_run(folder)
    config = _config(folder / "config.yaml")
    checkpoints = run.get("checkpoints") or {}
    name = next(iter(checkpoints), None)
    facts = RunFacts(
        name=str(config.get("name") or folder.name),
        config=config,
        step=checkpoints[name]["step"] if name else None,
        weights=f"{name}.ckpt" if name else "",
        towers=_towers(folder / "evaluation.json"),
        manifests=_manifests(run),
        run=run,
        metrics=metrics,
        evaluated=f"the run's own evaluation of {name}.ckpt" if name else "",
        barcodes="dna" in _towers(folder / "evaluation.json"),
        library="clipbio",
    )
    return model_card(facts, usage=_USAGE)


def _config(path: Path) -> dict[str, Any]:
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ClipbioError(f"{path} cannot be read: {error}") from error


def _towers(path: Path) -> Mapping[str, int]:
    """Return the number of weights of each tower, which stands in `evaluation.json` of a run that was evaluated."""
    return dict(read_json(path)["model"]["parameters"]) if path.is_file() else {}


def _manifests(run: Mapping[str, Any]) -> dict[str, str]:
    own = {"data": run["data_manifest"]} if run.get("data_manifest") else {}
    return own | {f"data.streams.{name}": digest for name, digest in (run.get("stream_manifests") or {}).items()}
