"""Barcodes by a pretrained tower against k-mers, alignment and the same tower untrained: see README.md.

    python benchmarks/barcode_protocol.py --shared=FOLDER RUN [RUN ...]

RUN is a run folder or checkpoint whose model has a DNA tower, such as that of `experiment=barcode_pretrain`; features
are the pooled output of its trunk, each by its mean and spread over the train barcodes. The barcodes are those of
`data/coi-butterflies`, split by barcode; held-out species have their genus in training. Each case is one JSON line:
`ours` the tower, `peer` what it is compared with on the same queries, `difference` between `low` and `high` (95 %,
paired; species redrawn, for macro the true taxa).

- `probe/species/{micro,macro}`: linear probe on `--shots` barcodes of each species, test barcodes of seen species.
- `1nn/{genus,family}/{micro,macro}`: the nearest train barcode of held-out species.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
class Part:
    """The barcodes of a split, not yet embedded: plain, and as they stand in the table, columns and all."""

    barcodes: Barcodes
    written: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The parts that the protocol takes."""

    train: Part
    test: Part
    unseen: Part


def read(root: Path, seed: int) -> Table:
    """Read a specimen table and split it by barcode and species."""
    scheme = HeldOut(shares=SHARES, by="barcode", unseen=UNSEEN, val_unseen=VAL_UNSEEN, relatives="genus", seed=seed)
    found: dict[str, list[Any]] = {}
    for specimen in SplitSource(TableSource(root), scheme):
        found.setdefault(specimen.split, []).append(specimen)
    return Table(*(_part(found[name]) for name in ("train", "test", "unseen")))


def _part(specimens: list[Any]) -> Part:
    written = tuple(one.dna for one in specimens)
    taxa = np.array([one.taxon.rank_keys for one in specimens])
    return Part(Barcodes(tuple(plain_barcodes(written)), torch.zeros(len(written), 0), taxa), written)


def embedded(trunk: Any, table: Table) -> list[Barcodes]:
    """Return train, test and unseen barcodes with unit vectors: a trunk's features by the mean and spread of train."""
    train_ND, *others = (_features(trunk, part.written) for part in (table.train, table.test, table.unseen))
    mean_D, spread_D = train_ND.mean(dim=0), train_ND.std(dim=0).clamp(min=1e-6)
    vectors = [torch.nn.functional.normalize((part - mean_D) / spread_D, dim=1) for part in (train_ND, *others)]
    parts = (table.train, table.test, table.unseen)
    return [replace(part.barcodes, vectors_ND=found) for part, found in zip(parts, vectors, strict=True)]


def _features(trunk: Any, written: Sequence[str]) -> Tensor:
    """Return the trunk's features, each distinct sequence being encoded once."""
    place = {sequence: row for row, sequence in enumerate(dict.fromkeys(written))}
    sequences = list(place)
    with torch.inference_mode():
        parts = [
            trunk(trunk.tokenizer(sequences[start : start + _AT_ONCE])) for start in range(0, len(place), _AT_ONCE)
        ]
    return torch.cat(parts).float()[[place[one] for one in written]].clone()


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
    found = {side: embedded(trunk, table) for side, trunk in sides.items()}
    train, test, unseen = ({side: parts[place] for side, parts in found.items()} for place in range(3))
    plain = [part.barcodes for part in (table.train, table.test, table.unseen)]
    features = {side: (train[side].vectors_ND, test[side].vectors_ND) for side in sides}
    features["kmers"] = (kmer_vectors(plain[0].sequences), kmer_vectors(plain[1].sequences))
    probed = probe_answers(plain[1], plain[0], features, shots=shots, seed=seed)
    assert probed is not None
    yield from lines(f"barcode/{name}/probe", probed[0], seed, resamples, {"shots": shots, "C": probed[1]})
    rows = {
        side: nearest_keys(unseen[side].vectors_ND, train[side].vectors_ND, k=1).key_Qk[:, 0].numpy() for side in sides
    }
    rows["kmers"] = nearest_by_kmers(plain[2].sequences, plain[0].sequences)
    rows["alignment"] = nearest_by_alignment(plain[2].sequences, plain[0].sequences)
    for rank in RANKS:
        answers = nearest_answers(plain[2], plain[0], rank, rows)
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
