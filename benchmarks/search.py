"""Speed and memory of the search engine with a million specimens: `python benchmarks/search.py [CASE ...]`.

The index is made up (`search_world.py`); it is made once in `--folder`, which takes some minutes and 4 GB.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from search_server import append, start
from search_sides import ann, exact
from search_world import World, build
from sides import alone, chosen

CASES: dict[str, Callable[[World, int], str]] = {
    "search/exact_1m": exact,
    "search/ann_1m": ann,
    "search/start_1m": start,
    "search/append_10k": append,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names or patterns; all without any")
    parser.add_argument("--folder", type=Path, help="where the index is made and stays; without one it is removed")
    parser.add_argument("--rows", type=int, default=1_000_000, help="fewer for a quick look")
    parser.add_argument("--spread", type=float, default=0.6, help="mean cosine of a specimen with its centre")
    parser.add_argument("--model", default="lite", help="the model of the server: lite, tiny")
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    names = chosen(list(CASES), options.cases)
    if unknown := [name for name in names if name not in CASES]:
        raise SystemExit(f"unknown case '{unknown[0]}'; there are: {', '.join(CASES)}")
    with tempfile.TemporaryDirectory() as folder:
        world = World(options.folder or Path(folder), options.rows, options.spread, options.model)
        alone(build, world)
        for name in names:
            print(CASES[name](world, options.queries), flush=True)


if __name__ == "__main__":
    main()
