"""Small made-up training data in the layouts that the recipes read as they were published."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from berts import save_bert
from bioscan_tables import row_1m, row_5m, write_1m, write_5m
from foreign import PICA, Members, bioclip_texts, write_tar
from tables import encoded

# Known to species with and without a common name, and to family alone, as most of BIOSCAN.
TAXA = (
    (PICA, "black-billed magpie"),
    ((*PICA[:6], "pica"), ""),
    ((*PICA[:5], "Corvus", "corax"), "common raven"),
    (("Animalia", "Arthropoda", "Insecta", "Diptera", "Cecidomyiidae", "", ""), ""),
)
SEEN, UNSEEN = ("Megaselia rufipes", "Megaselia pulicaria"), ("Megaselia sp. A1", "Megaselia sp. A2")
PARTITIONS_1M = {
    "train_seen": SEEN, "no_split": ("",), "val_seen": SEEN, "test_seen": SEEN, "seen_keys": SEEN,
    "val_unseen": UNSEEN, "test_unseen": UNSEEN, "val_unseen_keys": UNSEEN, "test_unseen_keys": UNSEEN,
}  # fmt: skip
SPLITS_5M = {
    "train": SEEN, "pretrain": ("",), "val": SEEN, "test": SEEN, "key_unseen": UNSEEN, "val_unseen": UNSEEN,
    "test_unseen": UNSEEN,
}  # fmt: skip


def tree_of_life_10m(root: Path, *, train: int = 48, val: int = 8, captions: bool = False) -> Path:
    """Write TreeOfLife-10M as BioCLIP's scripts do: eleven members a sample, or twelve with BioCAP's captions."""
    for shard in range(3):
        samples = [_sample(number, captions=captions) for number in range(shard, train, 3)]
        write_tar(root / f"224x224/train/shard-{shard:06d}.tar", samples)
    write_tar(root / "224x224/train_small/shard-000000.tar", [_sample(number) for number in range(4)])
    held_out = [_sample(number) for number in range(train, train + val)]
    write_tar(root / "224x224/val/shard-000000.tar", held_out)
    return root


def tree_of_life_200m(root: Path, *, train: int = 48, val: int = 8) -> Path:
    """Write TreeOfLife-200M as its toolbox does, without common names, beside val shards of TreeOfLife-10M."""
    written = ("jpg", "taxonomic_name.txt", "scientific_name.txt", "sci.txt", "taxon.txt", "taxonTag.txt")
    for shard in range(2):
        samples = [_sample(number) for number in range(shard, train, 2)]
        few = [(key, {name: members[name] for name in written}) for key, members in samples]
        write_tar(root / f"train/shard-{shard:05d}.tar", few)
    held_out = [_sample(number) for number in range(train, train + val)]
    write_tar(root / "val/shard-000000.tar", held_out)
    return root


def laion(root: Path, *, pairs: int = 12) -> Path:
    """Write pairs as img2dataset does: tars of jpg, txt and json, beside its own tables."""
    for shard in range(2):
        samples: list[tuple[str, Members]] = []
        for place in range(pairs // 2):
            key, caption = f"{shard:05d}{place:04d}", f"Blue mug no. {place}, 30% off! Buy now"
            facts = {"caption": caption, "url": "https://example.org/mug.jpg", "key": key, "status": "success"}
            samples.append((key, {"jpg": encoded(500 + 10 * shard + place), "txt": caption, "json": json.dumps(facts)}))
        write_tar(root / f"{shard:05d}.tar", samples, pax=False)
        (root / f"{shard:05d}_stats.json").write_text(json.dumps({"successes": pairs // 2}))
        (root / f"{shard:05d}.parquet").write_bytes(b"not read")
    return root


def inat21(root: Path, *, train: int = 8, val: int = 2) -> Path:
    """Write folders of iNat21: a number and the seven ranks, as the archives unpack."""
    for number, (ranks, _) in enumerate(TAXA[:3]):
        for split, count in (("train", train), ("val", val)):
            for place in range(count):
                path = root / split / f"{number:05d}_{'_'.join(ranks)}" / f"{split}-{number}-{place}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encoded(1000 * number + 100 * (split == "val") + place))
    return root


def bioscan_1m(root: Path) -> Path:
    """Write the table of BIOSCAN-1M, its images, and CLIBD's partitions."""
    rows, partitions = [], {}
    for partition, names in PARTITIONS_1M.items():
        for name in names * 6:
            known = _insect(name, len(rows))
            row = row_1m(f"S{len(rows):03}", nucraw=known.pop("dna"), uri=known.pop("bin"), **known)
            partitions.setdefault(partition, []).append(row["sampleid"])
            rows.append(row)
    return write_1m(root, rows, partitions)


def bioscan_5m(root: Path) -> Path:
    """Write the table of BIOSCAN-5M and its images."""
    rows = []
    for split, names in SPLITS_5M.items():
        for name in names * 6:
            known = {key: "" if value == "not_classified" else value for key, value in _insect(name, len(rows)).items()}
            dna, dna_bin = known.pop("dna"), known.pop("bin")
            chunk = {"pretrain": "a0", "train": "a"}.get(split, "")
            rows.append(row_5m(f"S{len(rows):03}", split, chunk, dna_barcode=dna, dna_bin=dna_bin, **known))
    return write_5m(root, rows)


def shrunk_clibd(folder: Path) -> Sequence[str]:
    """Return overrides that make the towers of CLIBD small."""
    bert = save_bert(folder, max_position_embeddings=80)
    return (
        "model.dim=32", "model.image.name=test_vit", "model.image.weights=null", f"model.text.weights={bert}",
        "model.dna.weights=null", "model.dna.layers=1", "model.dna.heads=2", "model.dna.width=32",
    )  # fmt: skip


def _sample(number: int, *, captions: bool = False) -> tuple[str, Members]:
    ranks, common = TAXA[number % len(TAXA)]
    key = f"{number:08x}-0000-4000-8000-{number:012x}"
    members = {"jpg": encoded(number), **bioclip_texts(ranks, common)}
    if captions:
        members["caption.txt"] = f"A dark bird with a white patch stands on post {number}"
    return key, members


def _insect(species: str, number: int) -> dict[str, str]:
    """Return the name of a record and a barcode of its own; a record without a name has a rank less of everything."""
    draw = random.Random(number)
    dna = "".join(draw.choice("ACGT") for _ in range(658))
    name = {"species": species} if species else {"species": "not_classified", "genus": "not_classified"}
    return name | {"dna": dna, "bin": f"BOLD:AAA{number:04}"}
