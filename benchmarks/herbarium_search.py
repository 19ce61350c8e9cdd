"""Search for species never trained on: lexical, vector and fused, on birds and on butterflies. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from herbarium_figures import Answer, Run, figures, table
from herbarium_runs import search_answers, trained
from herbarium_tables import hold_out

HELD_OUT, SPECIES = 3, 10

Sets = Mapping[str, Sequence[Run]]
Places = Mapping[str, tuple[Path, tuple[str, ...] | None]]
"""What is searched: a table, and the species whose sentences are asked."""


def main() -> None:
    """Train what has not been trained, search, print a JSON line per figure and write a table."""
    options = _options()
    torch.set_num_threads(options.threads)
    with contextlib.redirect_stdout(sys.stderr):
        sets = {**_birds(options), **_leeds(options)}
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


def _birds(options: argparse.Namespace) -> Sets:
    runs: list[Run] = []
    for seed in options.seeds if options.birds is not None else ():
        folder = options.birds.resolve()
        runs += _searched(options, f"birds-{seed}", seed, folder, {"birds": (folder, None)}).values()
    return {"birds: 16 unseen species": runs}


def _leeds(options: argparse.Namespace) -> Sets:
    """Search the held-out species by themselves, and among all ten."""
    alone, among = "butterflies: 3 held-out species", "butterflies: 3 held-out species among all 10"
    runs: dict[str, list[Run]] = {alone: [], among: []}
    for draw in options.draws if options.leeds is not None else ():
        with tempfile.TemporaryDirectory(prefix="clipbio-leeds-") as folder:
            some, every = Path(folder) / "some", Path(folder) / "every"
            chosen = hold_out(options.leeds.resolve(), some, HELD_OUT, draw)
            hold_out(options.leeds.resolve(), every, SPECIES, draw)
            print(f"held out: {', '.join(chosen)}")
            places: Places = {alone: (some, None), among: (every, chosen)}
            for name, run in _searched(options, f"leeds-{draw}", draw, some, places).items():
                runs[name].append(run)
    return dict(runs)


def _searched(options: argparse.Namespace, name: str, seed: int, learnt: Path, places: Places) -> dict[str, Run]:
    """Train on a table and search others, or read what was found before; weights are of no further use."""
    out = options.out.resolve()
    kept, run = out / f"{name}.json", out / name
    overrides = ["experiment=herbarium_lite", *options.overrides]
    asked = {"overrides": overrides, "halves": options.halves, "places": list(places)}
    if kept.is_file():
        stored = json.loads(kept.read_text())
        if {key: stored[key] for key in asked} != asked:
            sys.exit(f"{kept} is of other settings: give another folder as --out")
        return {place: [Answer(*one) for one in answers] for place, answers in stored["answers"].items()}
    cache = options.cache or out / "cache"
    trained(learnt, run, cache, seed, overrides)
    found: dict[str, Run] = {
        place: search_answers(run, folder, cache, options.halves, species)
        for place, (folder, species) in places.items()
    }
    kept.write_text(json.dumps({**asked, "answers": found}))
    shutil.rmtree(run / "checkpoints")
    return found


if __name__ == "__main__":
    main()
