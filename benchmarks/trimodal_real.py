"""Pictures, descriptions and real barcodes in one space, four of ten species without a barcode. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from clipbio.cli import run as run_verb
from clipbio.data.shards import ShardFolder
from clipbio.data.sources import TableSource
from clipbio.evaluation.metrics import FloatArray
from clipbio.evaluation.paired import IntArray, accuracy
from clipbio.taxonomy import RANKS

from key_query_runs import key_query_details

VARIANTS = ("image_to_dna", "dna_to_image", "image_to_text_prototype", "fused_to_fused")
JUDGED = ("family", "genus", "species")


class Judged(NamedTuple):
    """For each query of a split the share of seeds that answered it right, and its species."""

    right_Q: FloatArray
    species_Q: IntArray


Answers = dict[tuple[str, str], Judged]
"""By variant and rank."""


def main() -> None:
    """Prepare both tables, train what has not been trained, print a JSON line per figure and write a table."""
    options = _options()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr):
        tables = {arm: _prepared(options, arm) for arm in ("all", "complete")}
        check_apart(tables["all"], tables["complete"])
        runs = {(arm, seed): _trained(options, tables[arm], arm, seed) for arm in tables for seed in options.seeds}
        found = {
            (arm, judged): _mean([_answers(runs[arm, seed], tables[judged]) for seed in options.seeds])
            for arm, judged in (("all", "all"), ("all", "complete"), ("complete", "complete"))
        }
    lines = [_used(tables["all"], runs["all", options.seeds[0]]), *_figures(found)]
    for line in lines:
        print(json.dumps(line))
    (options.out / "table.md").write_text(_table(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="table of leeds-butterflies")
    parser.add_argument("--barcodes", type=Path, required=True, help="table of coi-butterflies")
    parser.add_argument("--out", type=Path, default=Path("runs/trimodal_real"), help="finished runs are not repeated")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("overrides", nargs="*", help="of the training, such as model.image.weights=FILE")
    return parser.parse_args()


def _prepared(options: argparse.Namespace, arm: str) -> Path:
    """Join pictures and barcodes; `complete` has the species with both alone, `all` every species with pictures."""
    out: Path = options.out.resolve()
    shards, names = out / f"shards_{arm}", out / f"names_{arm}.csv"
    if not (shards / "manifest.json").is_file():
        taxa = {one.taxon.scientific_name: one.taxon for one in TableSource(options.pictures)}
        if arm == "complete":
            known = {one.taxon.scientific_name for one in TableSource(options.barcodes)}
            taxa = {name: taxon for name, taxon in taxa.items() if name in known}
        with names.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "rank", *RANKS[:-1]])
            writer.writerows([name, "species", *taxon.ranks[:-1]] for name, taxon in sorted(taxa.items()))
        sources = f"{{p: {{format: table, root: {options.pictures}}}, b: {{format: table, root: {options.barcodes}}}}}"
        _run("prepare", f"sources={sources}", "merge.lend_barcodes=true", f"merge.checklist={names}",
             "merge.unmatched=drop", f"out={shards}", "overwrite=true", "progress=false")  # fmt: skip
    return shards


def check_apart(trained: Path, judged: Path) -> None:
    """End the script if training on one folder sees a record or a barcode that is judged in the other."""
    train, test = ShardFolder.open(trained).index("train"), ShardFolder.open(judged).index("test")
    for what, seen, asked in (("ids", train.ids, test.ids), ("barcodes", train.dna_digests, test.dna_digests)):
        if shared := ({*seen} & {*asked}) - {"", b"", None}:
            sys.exit(f"{len(shared)} {what} of test in {judged} stand in train of {trained}: the figures would leak")


def _trained(options: argparse.Namespace, shards: Path, arm: str, seed: int) -> Path:
    """Train without choosing among checkpoints: the last state of each run is judged."""
    run: Path = options.out / f"{arm}-seed-{seed}"
    if not (run / "report.html").is_file():
        _run("train", "experiment=trimodal", f"data.root={shards}", f"seed={seed}", f"run_dir={run}",
             f"cache_dir={options.out / 'cache'}", "validation.splits=[]", "evaluate_splits=[]", "resume=auto",
             "benchmark=[key_query]", "validation.benchmarks=[]", "callbacks=sample_log", "logger=none",
             "benchmark.key_query.bootstrap=0", "progress=false", *options.overrides)  # fmt: skip
    return run


def _run(verb: str, *overrides: str) -> None:
    if run_verb(verb, list(overrides)):
        sys.exit(f"{verb} failed")


def _answers(run: Path, shards: Path) -> Answers:
    """Tell of each query of `test` among the specimens of `shards` whether its nearest key has its taxon."""
    settings = {"ranks": list(JUDGED), "ks": [1]}
    return {
        (detail.variant, rank): Judged(detail.correct_QR[:, place].double().numpy(), detail.label_Q.numpy())
        for detail in key_query_details(run, ["test"], root=shards, settings=settings)
        if detail.variant in VARIANTS
        for place, rank in enumerate(detail.ranks)
    }


def _mean(seeds: Sequence[Answers]) -> Answers:
    return {
        key: Judged(np.mean([one[key].right_Q for one in seeds], axis=0), first.species_Q)
        for key, first in seeds[0].items()
    }


def _figures(found: Mapping[tuple[str, str], Answers]) -> Iterator[dict[str, object]]:
    """Yield accuracies, and by how much the run with all species is better on the complete ones, paired by query."""
    for (arm, judged), answers in found.items():
        for (variant, rank), one in answers.items():
            yield line(f"trained on {arm}, judged on {judged}", variant, rank, one)
    ours, theirs = found["all", "complete"], found["complete", "complete"]
    for (variant, rank), one in found["all", "all"].items():
        incomplete = without(one, theirs[variant, rank])
        if len(incomplete.right_Q):
            yield line("trained on all, judged on species without a barcode", variant, rank, incomplete)
    for (variant, rank), one in ours.items():
        gain = Judged(one.right_Q - theirs[variant, rank].right_Q, one.species_Q)
        yield line("all minus complete, judged on complete", variant, rank, gain)


def without(all_species: Judged, complete: Judged) -> Judged:
    """Return the queries of species that are not among the complete ones; empty where a pair needs their barcode."""
    kept_Q = ~np.isin(all_species.species_Q, complete.species_Q)
    return Judged(all_species.right_Q[kept_Q], all_species.species_Q[kept_Q])


def line(name: str, variant: str, rank: str, judged: Judged) -> dict[str, object]:
    """Return a figure whose interval redraws whole species: their queries are right or wrong together."""
    estimate = accuracy(judged.right_Q, unit_N=judged.species_Q)
    low, high = estimate.interval or (estimate.value, estimate.value)
    numbers = {"top1": estimate.value, "low": low, "high": high}
    return {"name": name, "variant": variant, "rank": rank, **{k: round(v, 4) for k, v in numbers.items()},
            "n": estimate.n}  # fmt: skip


def _used(shards: Path, run: Path) -> dict[str, object]:
    """Count the specimens without a barcode in training, and how often batches had one."""
    index = ShardFolder.open(shards).index("train")
    without = {id_ for id_, digest in zip(index.ids, index.dna_digests, strict=True) if not digest}
    drawn = [
        id_ for line in (run / "samples" / "rank-0.jsonl").read_text().splitlines() for id_ in json.loads(line)["ids"]
    ]
    return {"name": "used", "train": len(index.ids), "without_barcode": len(without), "draws": len(drawn),
            "draws_without_barcode": sum(id_ in without for id_ in drawn)}  # fmt: skip


def _table(lines: Sequence[Mapping[str, object]]) -> str:
    """Return a Markdown table in percent."""
    rows = ["| | pair | rank | top-1 | 95 % | queries |", "|---|---|---|---|---|---|"]
    for one in lines[1:]:
        top1, low, high = (f"{100 * float(str(one[key])):.1f}" for key in ("top1", "low", "high"))
        rows.append(f"| {one['name']} | {one['variant']} | {one['rank']} | {top1} | {low} to {high} | {one['n']} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
