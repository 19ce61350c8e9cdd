"""The recipes of BIOSCAN-CLIP run on tables of the published layout, with small towers."""

import json
import random
from pathlib import Path

import pytest
from berts import save_bert
from bioscan_tables import row_1m, row_5m, write_1m, write_5m
from runs import here

SEEN, UNSEEN = ("Megaselia rufipes", "Megaselia pulicaria"), ("Megaselia sp. A1", "Megaselia sp. A2")
PARTITIONS_1M = {
    "train_seen": SEEN, "no_split": ("",), "val_seen": SEEN, "test_seen": SEEN, "seen_keys": SEEN,
    "val_unseen": UNSEEN, "test_unseen": UNSEEN, "val_unseen_keys": UNSEEN, "test_unseen_keys": UNSEEN,
}  # fmt: skip
SPLITS_5M = {
    "train": SEEN, "pretrain": ("",), "val": SEEN, "test": SEEN, "key_unseen": UNSEEN, "val_unseen": UNSEEN,
    "test_unseen": UNSEEN,
}  # fmt: skip
RANKS = ("order", "family", "genus", "species")


def facts(species: str, number: int) -> dict[str, str]:
    """Return the name of a record and a barcode of its own; a record without a name has a rank less of everything."""
    draw = random.Random(number)
    dna = "".join(draw.choice("ACGT") for _ in range(658))
    name = {"species": species} if species else {"species": "not_classified", "genus": "not_classified"}
    return name | {"dna": dna, "bin": f"BOLD:AAA{number:04}"}


def bioscan_1m(root: Path) -> Path:
    rows, partitions = [], {}
    for partition, names in PARTITIONS_1M.items():
        for name in names * 6:
            known = facts(name, len(rows))
            row = row_1m(f"S{len(rows):03}", nucraw=known.pop("dna"), uri=known.pop("bin"), **known)
            partitions.setdefault(partition, []).append(row["sampleid"])
            rows.append(row)
    return write_1m(root, rows, partitions)


def bioscan_5m(root: Path) -> Path:
    rows = []
    for split, names in SPLITS_5M.items():
        for name in names * 6:
            known = {key: "" if value == "not_classified" else value for key, value in facts(name, len(rows)).items()}
            dna, dna_bin = known.pop("dna"), known.pop("bin")
            chunk = {"pretrain": "a0", "train": "a"}.get(split, "")
            rows.append(row_5m(f"S{len(rows):03}", split, chunk, dna_barcode=dna, dna_bin=dna_bin, **known))
    return write_5m(root, rows)


@pytest.mark.parametrize(("experiment", "source", "benchmark"), [
    pytest.param("bioscan_clip_1m", "bioscan1m", "key_query", marks=pytest.mark.slow),
    pytest.param("bioscan_clip_5m", "bioscan5m", "key_query", marks=pytest.mark.slow),
    ("bioscan_clip_compat", "bioscan1m", "key_query_clibd"),
])  # fmt: skip
def test_a_recipe_runs_on_the_published_layout(
    experiment: str, source: str, benchmark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = (bioscan_1m if source == "bioscan1m" else bioscan_5m)(tmp_path / "published")
    shards = tmp_path / "shards"
    status, _, err = here(
        capsys, "prepare", f"source={source}", f"source.root={root}", f"out={shards}", "progress=false",
    )  # fmt: skip
    assert status == 0, err
    bert = save_bert(tmp_path / "bert", max_position_embeddings=80)
    status, _, err = here(
        capsys, "train", f"experiment={experiment}", f"data.root={shards}", "debug=fast", "progress=false",
        "data.batch_size=8", "trainer.accelerator=cpu", "trainer.precision=32-true", f"benchmark.{benchmark}.bootstrap=5",
        "model.dim=32", "model.image.name=test_vit", "model.image.weights=null", f"model.text.weights={bert}",
        "model.dna.weights=null", "model.dna.layers=1", "model.dna.heads=2", "model.dna.width=32",
        f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for rank in RANKS:
        assert 0 <= metrics[f"{benchmark}/test+unseen/image_to_dna/{rank}/macro@1"] <= 1
    assert metrics[f"{benchmark}/unseen/dna_to_dna/species/micro@1/n"] == 12
    logged = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert any("train/loss/dna-text" in line for line in logged)
