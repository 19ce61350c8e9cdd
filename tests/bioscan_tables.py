"""Small BIOSCAN folders in the layout as published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tables import Row, encoded, write_csv


def _words(text: str) -> list[str]:
    return text.split()


COLUMNS_5M = _words(
    "processid sampleid taxon phylum class order family subfamily genus species dna_bin dna_barcode country "
    "province_state coord-lat coord-lon image_measurement_value area_fraction scale_factor inferred_ranks split "
    "index_bioscan_1M_insect chunk"
)
COLUMNS_1M = _words(
    "sampleid processid uri name phylum class order family subfamily tribe genus species subspecies nucraw image_file "
    "large_diptera_family medium_diptera_family small_diptera_family large_insect_order medium_insect_order "
    "small_insect_order chunk_number copyright_license copyright_holder copyright_institution copyright_contact "
    "photographer author"
)
PARTITIONS = _words(
    "no_split single_species train_seen val_seen test_seen seen_keys val_unseen test_unseen val_unseen_keys "
    "test_unseen_keys"
)
FLY = {
    "phylum": "Arthropoda",
    "class": "Insecta",
    "order": "Diptera",
    "family": "Phoridae",
    "genus": "Megaselia",
    "species": "Megaselia rufipes",
}


def row_5m(identity: str, split: str, chunk: str = "", **more: str) -> Row:
    """Return a row of the metadata of BIOSCAN-5M."""
    known = {"processid": identity, "sampleid": f"BIOUG-{identity}", "split": split, "chunk": chunk, **FLY}
    known |= {"dna_barcode": "ACGTN", "dna_bin": "BOLD:AAA0001", "coord-lat": "52.5", "inferred_ranks": "0"}
    return dict.fromkeys(COLUMNS_5M, "") | known | more


def write_5m(root: Path, rows: Sequence[Row], *, below: str = "bioscan5m") -> Path:
    """Write table and images of a small BIOSCAN-5M, and return its root."""
    table = root / below / "metadata" / "csv" / "BIOSCAN_5M_Insect_Dataset_metadata.csv"
    table.parent.mkdir(parents=True)
    write_csv(table, rows)
    for number, row in enumerate(rows):
        folder = root / below / "images" / "cropped_256" / row["split"] / row["chunk"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{row['processid']}.jpg").write_bytes(encoded(number))
    return root


def row_1m(identity: str, **more: str) -> Row:
    """Return a row of the metadata of BIOSCAN-1M."""
    known = {"sampleid": identity, "processid": f"P-{identity}", "uri": "BOLD:AAA0001", "nucraw": "ACGTN", **FLY}
    known |= {"image_file": f"{identity}.jpg", "chunk_number": "18", "copyright_license": "CC BY"}
    known |= {"copyright_holder": "CBG Photography Group", "large_diptera_family": "train"}
    return dict.fromkeys(COLUMNS_1M, "not_classified") | known | more


def write_1m(root: Path, rows: Sequence[Row], partitions: dict[str, list[str]] | None = None) -> Path:
    """Write table, images and partition files of a small BIOSCAN-1M, and return its root."""
    base = root / "bioscan1m"
    base.mkdir(parents=True)
    write_csv(base / "BIOSCAN_Insect_Dataset_metadata.tsv", rows, delimiter="\t")
    for number, row in enumerate(rows):
        folder = base / "images" / "cropped_256" / f"part{row['chunk_number']}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / row["image_file"]).write_bytes(encoded(number))
    if partitions is not None:
        (base / "CLIBD_partitioning").mkdir()
        for name in PARTITIONS:
            text = "".join(f"{identity}\n" for identity in partitions.get(name, []))
            (base / "CLIBD_partitioning" / f"{name}.txt").write_text(text)
    return root
