"""The schemes on 28,959 barcodes of European butterflies, whose species share haplotypes."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from clipbio.data.digests import barcode_digest
from clipbio.data.sources import TableSource
from clipbio.data.splitting import Bioscan5M, Hashed, HeldOut, SplitSource

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
SCHEMES = {
    "hashed": Hashed(shares=SHARES, by="barcode"),
    "held_out": HeldOut(shares=SHARES, by="barcode"),
    "relatives": HeldOut(shares=SHARES, by="barcode", unseen=0.15, val_unseen=0.05, relatives="genus"),
    "bioscan5m": Bioscan5M(),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_no_barcode_of_real_butterflies_is_parted(shared_data: Path, name: str) -> None:
    source = SplitSource(TableSource(shared_data / "coi-butterflies"), SCHEMES[name])
    barcodes: dict[bytes, set[str]] = defaultdict(set)
    species: dict[str, Counter[str]] = defaultdict(Counter)
    for specimen in source:
        barcodes[barcode_digest(specimen.dna)].add(specimen.split)
        species[specimen.species][specimen.split] += 1
    assert all(len(splits) == 1 for splits in barcodes.values())
    read = sum(counts.total() for counts in species.values())
    assert read + source.defects.skipped == 28_959
    if name == "held_out":
        assert 30 <= sum("unseen" in counts for counts in species.values()) <= 55
        assert all(len(counts) == 1 for counts in species.values() if counts["unseen"] or counts["val_unseen"])
        assert 0 < source.defects.counts["spans_held_out"] < 500
    if name == "relatives":
        genera: dict[str, set[str]] = defaultdict(set)
        for scientific_name, counts in species.items():
            genera[scientific_name.split()[0]] |= set(counts)
        assert all("train" in splits for splits in genera.values())
        assert 25 <= sum("unseen" in counts for counts in species.values()) <= 65
    if name == "bioscan5m":
        assert all(counts["test"] <= 25 and counts["train"] for counts in species.values())
        assert sum(counts["test"] >= 3 for counts in species.values()) > 300
