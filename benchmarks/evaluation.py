"""Time and memory of evaluation at published sizes: `python benchmarks/evaluation.py [CASE ...]`.

The features are made up (`evaluation_virtual.py`). Each side runs in a process of its own. A case is a function of the
scale that returns its line, in a file of its own; it is entered in `CASES`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from evaluation_probe import probe
from evaluation_simpleshot import simpleshot
from evaluation_zero_shot import zero_shot
from sides import chosen

CASES: dict[str, Callable[[float], str]] = {
    "evaluation/simpleshot_nabirds": simpleshot,
    "evaluation/probe_nabirds": probe,
    "evaluation/zero_shot_500k_taxa": zero_shot,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names or patterns; all without any")
    parser.add_argument("--scale", type=float, default=1.0, help="share of specimens and classes, for a quick look")
    options = parser.parse_args()
    for name in chosen(list(CASES), options.cases):
        if name not in CASES:
            raise SystemExit(f"unknown case '{name}'; there are: {', '.join(CASES)}")
        print(CASES[name](options.scale), flush=True)


if __name__ == "__main__":
    main()
