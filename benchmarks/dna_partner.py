"""Do pictures learn more from names when barcodes are trained with them? See README.md."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from partner_arms import ARMS, REFERENCE, VARIANTS, Size, overrides
from partner_figures import Estimate, difference, estimate
from partner_runs import ANSWERS, run_one
from sides import chosen, line


def main() -> None:
    """Run what has not been run, then print a line per arm and write a table."""
    options = _options()
    os.environ["OMP_NUM_THREADS"] = "1"
    size = Size(options.species, options.unseen, options.specimens, options.batch_size, options.steps)
    arms = list(dict.fromkeys([REFERENCE, *_arms(options.cases)]))
    _run(arms, size, options.seeds, options.out.resolve(), options.jobs)
    rows = []
    for arm in arms:
        found = _found(arm, options.seeds, options.out)
        reference = _found(REFERENCE, options.seeds, options.out)
        rows.append((arm, _figures(found, reference, ARMS[arm].variants)))
        _print(arm, rows[-1][1], rows[0][1], [one["seconds"] for one in found])
    (options.out / "table.md").write_text(_table(rows))


def _options() -> argparse.Namespace:
    size = Size()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="such as 'dna_partner/image_dna_text/*'; all by default")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/dna_partner"), help="finished runs here are not repeated"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="runs at once, each on one core")
    for name, value in asdict(size).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    return parser.parse_args()


def _arms(patterns: list[str]) -> list[str]:
    names = [name.removeprefix("dna_partner/") for name in chosen([f"dna_partner/{arm}" for arm in ARMS], patterns)]
    for name in names:
        if name not in ARMS:
            sys.exit(f"no arm '{name}'; there are: {', '.join(ARMS)}")
    return names


def _run(arms: Sequence[str], size: Size, seeds: Sequence[int], out: Path, jobs: int) -> None:
    """Run the arms seed by seed, so that whole comparisons come first; each run has a process of its own."""
    todo = []
    for seed in seeds:
        for arm in arms:
            folder = _folder(out, arm, seed)
            wanted = [*overrides(ARMS[arm], size, seed), f"cache_dir={out / 'cache'}"]
            if not (folder / ANSWERS).exists():
                todo.append((folder, wanted))
            elif json.loads((folder / ANSWERS).read_text())["overrides"] != wanted:
                sys.exit(f"{folder} holds a run with other settings: give another --out")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        futures = {pool.submit(run_one, *task): task[0] for task in todo}
        for number, future in enumerate(as_completed(futures), start=1):
            future.result()
            print(f"{number} of {len(todo)} runs: {futures[future]}", file=sys.stderr, flush=True)


def _folder(out: Path, arm: str, seed: int) -> Path:
    return out / arm / f"seed-{seed}"


def _found(arm: str, seeds: Sequence[int], out: Path) -> list[dict[str, Any]]:
    return [json.loads((_folder(out, arm, seed) / ANSWERS).read_text()) for seed in seeds]


def _figures(
    found: list[dict[str, Any]], reference: list[dict[str, Any]], variants: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return accuracies by variant, and differences from image and text where these have the variant too."""
    figures: dict[str, dict[str, Any]] = {}
    for variant in variants:
        runs = [one["rates"][variant] for one in found]
        figures[variant] = {
            "harmonic": estimate(runs),
            **{group: _macro(runs, group) for group in ("seen", "unseen")},
        }
        if all(variant in one["rates"] for one in reference):
            figures[variant]["gain"] = difference(runs, [one["rates"][variant] for one in reference])
    return figures


def _macro(runs: list[dict[str, dict[str, float]]], group: str) -> float:
    return sum(sum(run[group].values()) / len(run[group]) for run in runs) / len(runs)


def _print(arm: str, figures: dict[str, Any], reference: dict[str, Any], seconds: list[float]) -> None:
    extra: dict[str, Any] = {}
    for variant, values in figures.items():
        extra |= {f"{variant}/{group}": values[group] for group in ("seen", "unseen")}
        for name in ("harmonic", "gain"):
            if name in values:
                one: Estimate = values[name]
                extra |= {f"{variant}/{name}": one.value, f"{variant}/{name}/seeds": one.seeds}
                extra |= {f"{variant}/{name}/low": one.low, f"{variant}/{name}/high": one.high}
    ours, peer = (values["image_to_image"]["harmonic"].value for values in (figures, reference))
    unit = "harmonic mean of macro top-1"
    name = f"dna_partner/{arm}"
    print(
        line(name, ours=ours, peer=peer, peer_name="image and text", unit=unit, less_is_better=False, **extra,
             seconds=max(seconds)),
        flush=True,
    )  # fmt: skip


def _table(rows: list[tuple[str, dict[str, Any]]]) -> str:
    """Return a Markdown table in percent."""
    lines = [
        "| arm | image query to | seen | unseen | harmonic mean | difference | by seed |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, figures in rows:
        for variant in VARIANTS:
            if variant in figures:
                lines.append(_row(arm, variant.removeprefix("image_to_"), figures[variant]))
    return "\n".join(lines) + "\n"


def _row(arm: str, target: str, values: dict[str, Any]) -> str:
    gain: Estimate | None = values.get("gain") if arm != REFERENCE else None
    seen, unseen = (f"{100 * values[group]:.1f}" for group in ("seen", "unseen"))
    shown = ("", "") if gain is None else (_interval(gain), ", ".join(f"{100 * one:+.1f}" for one in gain.seeds))
    return f"| {' | '.join((arm, target, seen, unseen, _interval(values['harmonic']), *shown))} |"


def _interval(one: Estimate) -> str:
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


if __name__ == "__main__":
    main()
