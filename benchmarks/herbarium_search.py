"""Search for species never trained on: lexical, vector and fused, on birds and on butterflies. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch

from herbarium_figures import Answer, Run, figures, table
from herbarium_runs import search_answers, trained
from herbarium_tables import hold_out

HELD_OUT = 3


def main() -> None:
    """Train what has not been trained, search, print a JSON line per figure and write a table."""
    options = _options()
    torch.set_num_threads(options.threads)
    with contextlib.redirect_stdout(sys.stderr):
        sets = {"birds, 16 unseen species": _birds(options), "butterflies, 3 of 10 species held out": _leeds(options)}
    lines = [one for name, runs in sets.items() if runs for one in figures(name, runs)]
    for line in lines:
        print(json.dumps(line))
    (options.out / "table.md").write_text(table(lines), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--birds", type=Path, help="table with a split unseen and descriptions")
    parser.add_argument("--leeds", type=Path, help="table of leeds-butterflies")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/herbarium_search"), help="finished runs are not repeated"
    )
    parser.add_argument("--cache", type=Path, help="prepared tables and features of frozen trunks; default: in --out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of training on birds")
    parser.add_argument(
        "--draws", type=int, nargs="+", default=list(range(8)), help="of held-out species, and training"
    )
    parser.add_argument("--halves", type=int, nargs="+", default=list(range(5)), help="of cutting the sentences in two")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("overrides", nargs="*", default=[], help="of the training, such as model.image.weights=FILE")
    return parser.parse_args()


def _birds(options: argparse.Namespace) -> list[Run]:
    if options.birds is None:
        return []
    return [_run(options, options.birds.resolve(), f"birds-{seed}", seed) for seed in options.seeds]


def _leeds(options: argparse.Namespace) -> list[Run]:
    runs: list[Run] = []
    for draw in options.draws if options.leeds is not None else ():
        with tempfile.TemporaryDirectory(prefix="clipbio-leeds-") as folder:
            table_folder = Path(folder) / "table"
            chosen = hold_out(options.leeds.resolve(), table_folder, HELD_OUT, draw)
            print(f"held out: {', '.join(chosen)}")
            runs.append(_run(options, table_folder, f"leeds-{draw}", draw))
    return runs


def _run(options: argparse.Namespace, table_folder: Path, name: str, seed: int) -> Run:
    """Train and search, or read what was found before; weights are of no further use."""
    out = options.out.resolve()
    kept, run = out / f"{name}.json", out / name
    overrides = ["experiment=herbarium_lite", *options.overrides]
    asked = {"overrides": overrides, "halves": options.halves}
    if kept.is_file():
        stored = json.loads(kept.read_text())
        if {key: stored[key] for key in asked} != asked:
            sys.exit(f"{kept} is of other settings: give another folder as --out")
        return [Answer(*one) for one in stored["answers"]]
    cache = options.cache or out / "cache"
    trained(table_folder, run, cache, seed, overrides)
    answers = search_answers(run, table_folder, cache, options.halves)
    kept.write_text(json.dumps({**asked, "answers": answers}))
    shutil.rmtree(run / "checkpoints")
    return answers


if __name__ == "__main__":
    main()
