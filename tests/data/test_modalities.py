"""Specimens that lack an image, a name or a barcode: who takes part, what a batch holds, what is hidden by chance."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tables import Row

from clipbio.data.batch import Batch, EvaluationBatch
from clipbio.data.datamodule import SpecimenData
from clipbio.data.inputs import BarcodeInput, ImageInput, TextInput
from clipbio.data.modalities import MODALITIES, shown
from clipbio.data.transforms import ImageTransform
from clipbio.distributed import World
from clipbio.dna import BarcodeAugmentation, BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.models.trunks import ImageSpec
from clipbio.text import TextRegime

MakeTable = Callable[..., Path]
SPEC = ImageSpec(size=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3)
TOKENIZER = BarcodeTokenizer(k=2, max_length=20)
TAXON = {"kingdom": "Animalia", "family": "Corvidae", "genus": "Pica", "species": "hudsonia"}
KINDS = ("all", "no_image", "no_name", "no_dna", "only_image", "only_name", "only_dna")


def barcode(number: int) -> str:
    return "".join(np.random.default_rng(number).choice(list("ACGT"), 20))


@pytest.fixture
def table(make_table: MakeTable) -> Path:
    """Three specimens of every kind in train, one of each in test."""
    rows: list[Row] = []
    for split, copies in (("train", 3), ("test", 1)):
        for kind in KINDS:
            for copy in range(copies):
                number = len(rows)
                rows.append({
                    "specimen_id": f"{split}-{kind}-{copy}", "split": split,
                    "image": "" if kind in ("no_image", "only_name", "only_dna") else f"images/{number}.jpg",
                    "dna": "" if kind in ("no_dna", "only_image", "only_name") else barcode(number),
                    **{k: "" if kind in ("no_name", "only_image", "only_dna") else v for k, v in TAXON.items()},
                })  # fmt: skip
    # A table row needs a picture or a barcode.
    return make_table([row for row in rows if row["image"] or row["dna"]])


def tokens(texts: list[str]) -> torch.Tensor:
    return torch.tensor([[ord(letter) for letter in text[:30].ljust(30)] for text in texts])


def data_of(
    root: Path, modalities: tuple[str, ...], *, batch_size: int = 6, augmentation: Any = None, **settings: Any
) -> SpecimenData:
    data = SpecimenData(
        {"main": {"text": TextRegime({"scientific": 1})}}, root=str(root), cache_dir=str(root / "cache"),
        batch_size=batch_size, num_workers=0, val_share=0.01, **settings,
    )  # fmt: skip
    # No val: every train specimen is there.
    whole = dict(data.splits)
    data.splits = {name: split for name, split in whole.items() if name != "val"}
    data.splits["train"] = type(whole["train"])("train", whole["train"].index, np.arange(len(whole["train"].index)))
    data.read_for(modalities)
    data.plan_run(seed=0, steps=lambda plan: 2 * plan.batches_per_epoch, world=World())
    image = ImageInput(ImageTransform(SPEC)) if "image" in modalities else None
    data.attach(
        image=image, evaluation_image=image, text=TextInput(tokens) if "text" in modalities else None,
        dna=BarcodeInput(TOKENIZER, augmentation) if "dna" in modalities else None,
        evaluation_dna=BarcodeInput(TOKENIZER) if "dna" in modalities else None,
    )  # fmt: skip
    return data


def rows_of(data: SpecimenData) -> dict[str, tuple[Batch, int]]:
    """Return the batch and place of each specimen that training saw."""
    found = {}
    for batches in data.train_dataloader():
        batch = batches["default"]
        found |= {id_.rpartition("-")[0].removeprefix("train-"): (batch, row) for row, id_ in enumerate(batch["ids"])}
    return found


def present_of(pair: tuple[Batch, int]) -> set[str]:
    batch, row = pair
    return {name for name, mask in batch["present"].items() if mask[row]}


HAVE = {
    "all": {"image", "text", "dna"},
    "no_image": {"text", "dna"},
    "no_name": {"image", "dna"},
    "no_dna": {"image", "text"},
}


@pytest.mark.parametrize(
    ("modalities", "kinds"),
    [
        (("image", "text", "dna"), ["all", "no_image", "no_name", "no_dna"]),
        (("image", "text"), ["all", "no_dna"]),
        (("text", "dna"), ["all", "no_image"]),
        (("image", "dna"), ["all", "no_name"]),
        (("dna",), ["all", "no_image", "no_name", "only_dna"]),
    ],
)
def test_who_can_form_a_pair_takes_part_with_what_it_has(
    modalities: tuple[str, ...], kinds: list[str], table: Path
) -> None:
    data = data_of(table, modalities, batch_size=3)
    data.steps = 30
    found = rows_of(data)
    assert sorted(found) == sorted(kinds)
    for kind, (batch, row) in found.items():
        assert list(batch["inputs"]) == list(batch["present"]) == list(modalities)
        expected = HAVE.get(kind, {"dna"}).intersection(modalities)
        assert present_of((batch, row)) == expected
        absent = {"image": torch.zeros(3, 8, 8), "text": tokens([""])[0], "dna": TOKENIZER([""])[0]}
        for name in modalities:
            assert torch.equal(batch["inputs"][name][row].float(), absent[name].float()) == (name not in expected)


def test_how_many_are_left_out_is_told(table: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        data_of(table, ("image", "text", "dna"))
        data_of(table, ("image", "dna"))
        data_of(table, ("dna",)).evaluated("test")
    told = [record.getMessage() for record in caplog.records]
    # A specimen with a picture alone may have a name until that is rendered.
    assert not any("image, text, dna" in one for one in told)
    assert "12 of 18 train specimens have fewer than two of image, dna and are left out" in told
    assert "6 of 18 train specimens have no dna and are left out" in told
    assert "2 of 6 test specimens have no dna: not evaluated" in told


def test_pictures_are_not_decoded_for_a_model_that_reads_none(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a picture was decoded")

    monkeypatch.setattr("clipbio.data.transforms.ImageTransform.__call__", refuse)
    data = data_of(table, ("text", "dna"))
    assert len(rows_of(data)) == 2
    assert [len(batch["rows_B"]) for batch in data.evaluation_loader("test")] == [4]


def test_names_of_rows_without_a_text(table: Path) -> None:
    """Two specimens that nothing names are not each other's positives, and a hidden text still names its row."""
    data = data_of(table, ("image", "text", "dna"), modality_dropout={"text": 1.0})
    data.steps = 20
    for batches in data.train_dataloader():
        batch = batches["default"]
        for row, id_ in enumerate(batch["ids"]):
            same = [other for other in range(len(batch["ids"])) if batch["text_B"][other] == batch["text_B"][row]]
            unnamed = "no_name" in id_
            assert batch["text_types"][row] == ("" if unnamed else "scientific")
            assert all(("no_name" in batch["ids"][other]) == unnamed for other in same)
            assert not unnamed or {batch["ids"][other] for other in same} == {id_}


def test_a_row_of_letters_that_are_no_barcode_is_replaced(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(table, ("image", "dna"), batch_size=3)
    index = data.split("train").index
    read = index.read

    def protein(row: int, *, image: bool = True) -> Any:
        specimen = read(row, image=image)
        return replace(specimen, dna="MKVLEQ") if specimen.id == "train-all-0" else specimen

    monkeypatch.setattr(index, "read", protein)
    batches = [batches["default"] for batches in data.train_dataloader()]
    assert "train-all-0" not in {id_ for batch in batches for id_ in batch["ids"]}
    reasons = {item.id: item.reason for batch in batches for item in batch["skipped"]}
    assert reasons["train-all-0"].startswith("BadBarcode")


def test_barcodes_are_changed_as_their_place_in_the_run_says(table: Path) -> None:
    augmentation = BarcodeAugmentation(offset=2, reverse_complement=0.5)
    runs = [
        [
            batches["default"]["inputs"]["dna"]
            for batches in data_of(table, ("dna",), augmentation=one).train_dataloader()
        ]
        for one in (augmentation, augmentation, None)
    ]
    assert all(torch.equal(one, other) for one, other in zip(runs[0], runs[1], strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(runs[0], runs[2], strict=True))


def test_an_aligned_barcode_is_cleaned_before_it_is_shifted() -> None:
    augmentation, sequence = BarcodeAugmentation(offset=8), "----" + barcode(0)
    stripped = BarcodeInput(TOKENIZER, augmentation)
    assert {len(stripped.seen(sequence, seed)) for seed in range(100)} == set(range(13, 21))
    assert stripped.seen(sequence, None) == barcode(0)
    kept = BarcodeInput(BarcodeTokenizer(k=2, max_length=24, gaps="keep"), BarcodeAugmentation())
    assert kept.seen(sequence.lower(), 1) == sequence


@pytest.mark.parametrize("augmentation", [None, BarcodeAugmentation(offset=2)])
def test_the_barcodes_of_a_batch_are_cut_into_tokens_at_once(table: Path, augmentation: Any) -> None:
    asked: list[int] = []

    class Counting(BarcodeTokenizer):
        def __call__(self, sequences: Any) -> torch.Tensor:
            asked.append(len(sequences))
            return super().__call__(sequences)

    data = data_of(table, ("image", "dna"), batch_size=6)
    data.dna = BarcodeInput(Counting(k=2, max_length=20), augmentation)
    assert len(list(data.train_dataloader())) == 2
    assert asked == [6, 6] if augmentation else len(asked) <= 2


def test_data_without_a_modality_are_told_of(make_table: MakeTable, caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"specimen_id": f"{number}", "image": f"images/{number}.jpg", **TAXON} for number in range(8)]
    root = make_table([row | {"split": "train"} for row in rows])
    with caplog.at_level(logging.WARNING):
        data_of(root, ("image", "text"))
        assert "no train specimen" not in caplog.text
        data_of(root, ("image", "text", "dna"))
    assert "no train specimen has a barcode: is the column called dna? The dna tower learns nothing" in caplog.text
    for modalities in (("dna",), ("image", "dna"), ("text", "dna")):
        with pytest.raises(ClipbioError, match=r"^no train specimen has a barcode: is the column called dna\?$"):
            data_of(root, modalities)


def test_evaluation_gives_every_row_what_it_has(table: Path) -> None:
    data = data_of(table, ("image", "text", "dna"), evaluation_batch_size=2)
    batches: list[EvaluationBatch] = list(data.evaluation_loader("test"))
    ids = [data.split("test").index.ids[int(row)] for batch in batches for row in batch["rows_B"]]
    present = {name: torch.cat([batch["present"][name] for batch in batches]).tolist() for name in ("image", "dna")}
    assert sorted(ids) == sorted(f"test-{kind}-0" for kind in KINDS if kind != "only_name")
    for row, id_ in enumerate(ids):
        assert present["image"][row] == ("no_image" not in id_ and "only_dna" not in id_)
        assert present["dna"][row] == ("no_dna" not in id_ and "only_image" not in id_)
    assert all(set(batch["inputs"]) == {"image", "dna"} and not batch["skipped"] for batch in batches)


def test_chance_hides_as_often_as_it_is_told_and_never_below_two() -> None:
    seen = [shown(MODALITIES, {"dna": 0.1, "text": 0.4}, seed) for seed in range(4000)]
    assert all(len(one) >= 2 for one in seen)
    assert np.mean(["image" in one for one in seen]) == 1.0
    # In a twenty-fifth of the draws both were to go and one stayed, each as often.
    assert np.mean(["dna" in one for one in seen]) == pytest.approx(0.92, abs=0.02)
    assert np.mean(["text" in one for one in seen]) == pytest.approx(0.62, abs=0.03)
    assert seen == [shown(MODALITIES, {"dna": 0.1, "text": 0.4}, seed) for seed in range(4000)]
    both = [shown(MODALITIES, {"dna": 0.5, "text": 0.5, "image": 0.5}, seed) for seed in range(4000)]
    # docs/modalities.md: a (1 - b/2 - c/2 + bc/3)
    assert all(sum(name not in one for one in both) / 4000 == pytest.approx(0.2917, abs=0.025) for name in MODALITIES)
    assert shown(("image", "dna"), {"dna": 1.0}, 0) == ("image", "dna")
    assert shown(MODALITIES, {}, 0) == MODALITIES


@pytest.mark.parametrize(
    ("dropout", "modalities", "message"),
    [
        ({"dan": 0.1}, ("image", "text", "dna"), "modality_dropout.dan: the model encodes no dan; did you mean 'dna'"),
        ({"dna": 1.5}, ("image", "text", "dna"), "modality_dropout.dna=1.5 must lie between 0 and 1"),
        ({"image": 0.5}, ("image", "text"), "has no effect: the model encodes image and text"),
    ],
)
def test_dropout_that_makes_no_sense_is_refused(
    dropout: dict[str, float], modalities: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    data = SpecimenData(
        {"main": {"text": TextRegime({"common": 1})}}, cache_dir=str(tmp_path), batch_size=2, modality_dropout=dropout
    )
    with pytest.raises(ClipbioError, match=message):
        data.read_for(modalities)
