"""experiment=trimodal on a small table: pictures of four species, barcodes of others, none of the fourth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from runs import SMALL, here, samples
from tables import encoded, write_csv

from clipbio.data.merging import BARCODE_FROM
from clipbio.data.shards import ShardFolder

SPECIES = ("Aus albus", "Bus brunneus", "Cus coeruleus", "Dus dubius")


def names(species: str) -> dict[str, str]:
    genus, _, epithet = species.partition(" ")
    return {"kingdom": "Animalia", "order": "Lepidoptera", "family": f"{genus}idae", "genus": genus, "species": epithet}


@pytest.fixture
def joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Give the shards of pictures that borrow barcodes; the last species has none."""
    generator = np.random.default_rng(0)
    pictures, barcodes = [], []
    (tmp_path / "p" / "images").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    for number, species in enumerate(SPECIES):
        for one in range(8):
            image = f"images/{number}_{one}.jpg"
            (tmp_path / "p" / image).write_bytes(encoded(100 * number + one))
            split = ("train", "train", "val", "test")[one % 4]
            pictures.append({"specimen_id": f"{number}_{one}", "image": image, "split": split, **names(species)})
        for one in range(4 if species != SPECIES[-1] else 0):
            dna = "".join(generator.choice(list("ACGT"), 60))
            barcodes.append({"specimen_id": f"{number}_{one}", "dna": dna, **names(species)})
    write_csv(tmp_path / "p" / "specimens.csv", pictures)
    write_csv(tmp_path / "b" / "specimens.csv", barcodes)
    sources = f"{{p: {{format: table, root: {tmp_path / 'p'}}}, b: {{format: table, root: {tmp_path / 'b'}}}}}"
    status, _, err = here(capsys, "prepare", f"sources={sources}", "merge.lend_barcodes=true",
                          f"out={tmp_path / 'shards'}")  # fmt: skip
    assert status == 0, err
    return tmp_path / "shards"


def test_species_without_barcodes_are_trained_and_judged_too(
    joined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = ShardFolder.open(joined).index("train")
    incomplete = {id_ for id_, digest in zip(index.ids, index.dna_digests, strict=True) if not digest}
    assert len(index.ids) == 16
    assert incomplete == {f"p/3_{one}" for one in (0, 1, 4, 5)}
    specimens = [index.read(row) for row in range(len(index.ids))]
    donors = {one.id: str(one.metadata.get(BARCODE_FROM, "")) for one in specimens}
    assert {id_: donor[:3] for id_, donor in donors.items()} == {
        id_: "" if id_ in incomplete else f"b/{id_[2]}" for id_ in index.ids
    }
    status, _, err = here(
        capsys, "train", "experiment=trimodal", *[one for one in SMALL if not one.startswith(("benchmark", "model"))],
        "model=trimodal_tiny", "model.dim=128", "model.text.projection=linear", "data.batch_size=16", "duration=2 steps",
        f"data.root={joined}", "optim.warmup=1 steps", "validation.every=1 steps", "benchmark.key_query.bootstrap=20",
        "benchmark.zero_shot.bootstrap=0", "benchmark.zero_shot.permutations=0",
        f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    assert incomplete <= {id_ for _, ids in samples(tmp_path / "run") for id_ in ids}
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for pair in ("image_to_dna", "dna_to_image", "fused_to_fused", "image_to_text"):
        assert f"key_query/test/{pair}/species/micro@1" in metrics
    assert metrics["key_query/test/dna_to_image/queries"] == 6
    assert metrics["key_query/test/dna_to_image/without_dna"] == 2
    assert metrics["key_query/test/image_to_text/queries"] == 8
