"""Barcodes by a pretrained tower against k-mers, alignment and the same tower untrained: see README.md.

    python benchmarks/barcode_protocol.py --shared=FOLDER RUN [RUN ...]

RUN is a run folder or checkpoint whose model has a DNA tower, such as that of `experiment=barcode_pretrain`; features
are the pooled output of its trunk. The barcodes are those of `data/coi-butterflies`, split by barcode; held-out species
have their genus in training. Each case is one JSON line: `ours` the tower, `peer` what it is compared with on the same
queries, `difference` between `low` and `high` (95 %, paired; species redrawn, for macro the true taxa).

- `probe/species/{micro,macro}`: linear probe on `--shots` barcodes of each species, test barcodes of seen species.
- `1nn/{genus,family}/{micro,macro}`: the nearest train barcode of held-out species.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clipbio.data.sources import TableSource
from clipbio.data.splitting import HeldOut, SplitSource
from clipbio.evaluation.barcode_answers import Answers, Barcodes, nearest_answers, probe_answers
from clipbio.evaluation.barcode_search import kmer_vectors, nearest_by_alignment, nearest_by_kmers, plain_barcodes
from clipbio.evaluation.neighbours import nearest_keys
from clipbio.evaluation.paired import accuracy, compare

from sides import line

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
UNSEEN, VAL_UNSEEN, RANKS = 0.15, 0.05, ("genus", "family")
_AT_ONCE = 256


@dataclass(frozen=True)
class Table:
    """The barcodes of each split, not yet embedded."""

    train: Barcodes
    test: Barcodes
    unseen: Barcodes


def read(root: Path, seed: int) -> Table:
    """Read a specimen table and split it by barcode and species."""
    scheme = HeldOut(shares=SHARES, by="barcode", unseen=UNSEEN, val_unseen=VAL_UNSEEN, relatives="genus", seed=seed)
    found: dict[str, list[Any]] = {}
    for specimen in SplitSource(TableSource(root), scheme):
        found.setdefault(specimen.split, []).append(specimen)
    return Table(*(_barcodes(found[name]) for name in ("train", "test", "unseen")))


def _barcodes(specimens: list[Any]) -> Barcodes:
    sequences = tuple(plain_barcodes([one.dna for one in specimens]))
    return Barcodes(sequences, torch.zeros(len(specimens), 0), np.array([one.taxon.rank_keys for one in specimens]))


def embedded(trunk: Any, barcodes: Barcodes) -> Barcodes:
    """Return barcodes with unit vectors of a trunk's pooled features, each distinct sequence once."""
    place = {sequence: row for row, sequence in enumerate(dict.fromkeys(barcodes.sequences))}
    sequences = list(place)
    with torch.inference_mode():
        parts = [
            trunk(trunk.tokenizer(sequences[start : start + _AT_ONCE])) for start in range(0, len(place), _AT_ONCE)
        ]
    vectors = torch.nn.functional.normalize(torch.cat(parts).float(), dim=1)
    return replace(barcodes, vectors_ND=vectors[[place[one] for one in barcodes.sequences]].clone())


def trunk_of(run: Path, *, trained: bool) -> Any:
    """Return the DNA trunk of a run, or the one it started from."""
    from clipbio.checkpoint_files import checkpoint_path, read_checkpoint
    from clipbio.config import instantiate

    config = dict(read_checkpoint(checkpoint_path(run))["clipbio"]["config"]["model"])
    config["dna"] = {**config["dna"], "weights": str(run) if trained else None}
    model = instantiate({**config, "image": None, "text": None}, "model", load_weights=trained)
    return model.tower("dna").trunk.eval()


def cases(name: str, table: Table, run: Path, shots: int, seed: int, resamples: int) -> Iterator[str]:
    """Yield the lines of a run."""
    sides = {side: trunk_of(run, trained=side == "pretrained") for side in ("pretrained", "untrained")}
    train, test, unseen = (
        {side: embedded(trunk, part) for side, trunk in sides.items()}
        for part in (table.train, table.test, table.unseen)
    )
    features = {side: (train[side].vectors_ND, test[side].vectors_ND) for side in sides}
    features["kmers"] = (kmer_vectors(table.train.sequences), kmer_vectors(table.test.sequences))
    probed = probe_answers(table.test, table.train, features, shots=shots, seed=seed)
    assert probed is not None
    yield from lines(f"barcode/{name}/probe", probed[0], seed, resamples, {"shots": shots, "C": probed[1]})
    rows = {
        side: nearest_keys(unseen[side].vectors_ND, train[side].vectors_ND, k=1).key_Qk[:, 0].numpy() for side in sides
    }
    rows["kmers"] = nearest_by_kmers(table.unseen.sequences, table.train.sequences)
    rows["alignment"] = nearest_by_alignment(table.unseen.sequences, table.train.sequences)
    for rank in RANKS:
        answers = nearest_answers(table.unseen, table.train, rank, rows)
        assert answers is not None
        yield from lines(f"barcode/{name}/1nn", answers, seed, resamples, {"left_out": answers.left_out})


def lines(name: str, answers: Answers, seed: int, resamples: int, more: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each mean and each method beside the pretrained tower."""
    target_Q, unit_Q, predicted = answers.target_Q, answers.unit_Q, answers.predicted
    class_Q = np.unique(target_Q, return_inverse=True)[1].reshape(-1)
    for mean, of_class_Q in (("micro", None), ("macro", class_Q)):
        drawn: dict[str, Any] = {"unit_N": unit_Q, "seed": seed, "resamples": resamples}
        value = {
            method: accuracy(answer_Q == target_Q, class_N=of_class_Q, **drawn)
            for method, answer_Q in predicted.items()
        }
        for peer in (method for method in predicted if method != "pretrained"):
            gain = compare(predicted["pretrained"], predicted[peer], target_Q, macro=mean == "macro", **drawn)
            low, high = gain.interval or (None, None)
            yield line(
                f"{name}/{answers.rank}/{mean}",
                ours=value["pretrained"].value,
                peer=value[peer].value,
                peer_name=peer,
                unit="accuracy",
                less_is_better=False,
                difference=gain.value,
                low=low,
                high=high,
                n=gain.n,
                peer_interval=list(value[peer].interval or ()),
                **more,
            )


def main() -> None:
    """Print the lines of the runs that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--shared", type=Path, required=True, help="the folder with data/coi-butterflies")
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resamples", type=int, default=2000)
    given = parser.parse_args()
    table = read(given.shared / "data" / "coi-butterflies", given.seed)
    for run in given.runs:
        for one in cases(run.name, table, run, given.shots, given.seed, given.resamples):
            print(one, flush=True)


if __name__ == "__main__":
    main()
