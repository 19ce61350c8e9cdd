"""Label sets: what is written is what is read, for a model that is the right one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.labels import LabelSet, LabelStyle, read_taxa, write_label_set
from clipbio.taxonomy import Taxon

OAK = Taxon("Plantae", "Tracheophyta", "Magnoliopsida", "Fagales", "Fagaceae", "Quercus", "robur")
MADE = {"model": "a model", "text_tower": "x", "projection": "default", "source": {}}


class Encoder:
    """Vectors that a hash of the text decides, and how many texts were asked for at once."""

    def __init__(self, dim: int = 8, seed: int = 0) -> None:
        self.dim, self.seed, self.largest = dim, seed, 0

    def __call__(self, texts: Sequence[str]) -> Tensor:
        self.largest = max(self.largest, len(texts))
        return torch.stack([self.one(text) for text in texts])

    def one(self, text: str) -> Tensor:
        number = int.from_bytes(hashlib.sha256(f"{self.seed}{text}".encode()).digest()[:6], "little")
        return functional.normalize(torch.randn(self.dim, generator=torch.Generator().manual_seed(number)), dim=0)


def taxa(count: int) -> list[Specimen]:
    return [Specimen(id=str(n), taxon=Taxon("Plantae", genus="Quercus", species=_word(n))) for n in range(count)]


def _word(number: int) -> str:
    return "".join(chr(97 + int(digit)) for digit in f"{number:05d}") + "us"


def write(
    folder: Path, things: Any, encoder: Encoder | None = None, style: LabelStyle | None = None, **more: Any
) -> Any:
    more = {"made": MADE, "progress": False} | more
    return write_label_set(folder, things, encoder or Encoder(), style=style or LabelStyle(), **more)


def test_each_taxon_has_the_mean_vector_of_its_prompts(tmp_path: Path) -> None:
    oak = Specimen(id="1", taxon=OAK, common_names=("oak",))
    described = Specimen(
        id="2", taxon=Taxon("Plantae", genus="Ulmus", species="glabra"), descriptions=("A tall tree.",)
    )
    encoder, style = Encoder(), LabelStyle("description", ["{} here", "{} there"])
    labels = write(tmp_path / "set", [oak, described], encoder, style)
    (vectors_CD,) = labels.chunks()
    mean = functional.normalize(encoder.one("oak here") + encoder.one("oak there"), dim=0)
    assert torch.allclose(vectors_CD[0], mean, atol=1e-6)
    assert torch.allclose(vectors_CD[1], encoder.one("A tall tree."), atol=1e-6)
    assert labels.taxa["text_type"].to_pylist() == ["common", "description"]
    assert labels.taxon(0) == OAK
    assert labels.taxa["common_name"][0].as_py() == "oak"


def test_the_file_is_one_that_safetensors_reads(tmp_path: Path) -> None:
    labels = write(tmp_path / "set", taxa(5), dtype="float16")
    tensors = load_file(labels.folder / "vectors.safetensors")
    assert tensors["vectors"].dtype == torch.float16
    assert tensors["vectors"].shape == (5, 8)
    assert np.array_equal(tensors["vectors"].numpy(), labels.vectors_CD)
    assert torch.allclose(next(labels.chunks(2)).norm(dim=1), torch.ones(2), atol=1e-6)


def test_the_hash_stands_for_names_and_templates_alone(tmp_path: Path) -> None:
    first = write(tmp_path / "a", taxa(3))
    assert first.hash == write(tmp_path / "b", taxa(3), Encoder(seed=5), dtype="float16").hash
    others = [taxa(4), taxa(3)[::-1], [*taxa(2), Specimen(id="x", taxon=taxa(3)[2].taxon, common_names=("oak",))]]
    hashes = {write(tmp_path / f"c{n}", other).hash for n, other in enumerate(others)}
    hashes |= {write(tmp_path / "d", taxa(3), style=LabelStyle("scientific")).hash}
    hashes |= {write(tmp_path / "e", taxa(3), style=LabelStyle(template="{}")).hash}
    assert len(hashes - {first.hash}) == 5


def test_what_comes_again_and_what_nothing_names_is_left_out_and_counted(tmp_path: Path) -> None:
    things = [*taxa(2), Specimen(id="n", taxon=Taxon()), taxa(2)[0]]
    assert write(tmp_path / "set", things).facts["left_out"] == {"named before": 1, "without a name": 1}
    with pytest.raises(ClipbioError, match="none of the 1 taxa has a name"):
        write(tmp_path / "none", [Specimen(id="n", taxon=Taxon())])
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_many_taxa_are_encoded_in_parts(tmp_path: Path) -> None:
    encoder = Encoder(dim=2)
    labels = write(tmp_path / "set", iter(taxa(9_000)), encoder, LabelStyle("scientific", "plain"))
    assert len(labels) == 9_000
    assert encoder.largest <= 4_096
    assert [len(chunk) for chunk in labels.chunks(4_000)] == [4_000, 4_000, 1_000]
    rows = torch.cat([*labels.chunks(4_000)])
    for row in (0, 4_096, 8_999):
        assert torch.allclose(rows[row], encoder.one(f"Quercus {_word(row)}"), atol=1e-6)


def test_another_tower_is_refused(tmp_path: Path) -> None:
    labels = write(tmp_path / "set", taxa(3))
    labels.check(Encoder())
    with pytest.raises(ClipbioError, match=r"made by a model, whose text tower is not that of another \(cosine"):
        labels.check(Encoder(seed=1), "another")
    with pytest.raises(ClipbioError, match="in 8 dimensions, this model has 4"):
        labels.check(Encoder(dim=4))


@pytest.mark.parametrize("damage", ["taxa", "vectors", "newer", "none"])
def test_damage_is_told(damage: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "set", taxa(3)).folder
    if damage == "taxa":
        write(tmp_path / "other", taxa(3)[::-1]).folder.joinpath("taxa.parquet").rename(folder / "taxa.parquet")
    elif damage == "vectors":
        content = (folder / "vectors.safetensors").read_bytes()
        (folder / "vectors.safetensors").write_bytes(content[:-4])
    elif damage == "newer":
        facts = json.loads((folder / "labels.json").read_text()) | {"schema": 2}
        (folder / "labels.json").write_text(json.dumps(facts))
    else:
        folder = tmp_path
    message = {
        "taxa": "not the one that was written",
        "vectors": "cut off",
        "newer": "schema 2",
        "none": "no label set",
    }
    with pytest.raises(ClipbioError, match=message[damage]):
        LabelSet.load(folder)


def test_vectors_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match="not finite"):
        write(tmp_path / "set", taxa(2), lambda texts: torch.full((len(texts), 4), torch.nan))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_pybioclip_gets_the_same_in_its_own_form(tmp_path: Path) -> None:
    things = [Specimen(id="1", taxon=OAK, common_names=("oak",)), Specimen(id="2", taxon=Taxon(), label="moss 3")]
    labels = write(tmp_path / "set", things, pybioclip=True)
    vectors_DC = np.load(labels.folder / "txt_emb_species.npy")
    assert np.array_equal(vectors_DC.T, labels.vectors_CD)
    names = json.loads((labels.folder / "txt_emb_species.json").read_text())
    assert names == [[[*OAK.ranks], "oak"], [["", "", "", "", "", "", "moss 3"], ""]]


def test_a_table_of_taxa_is_read_by_its_usual_names(tmp_path: Path) -> None:
    path = tmp_path / "taxa.csv"
    path.write_text(
        "Kingdom,scientific_name,Common name,notes\nPlantae,Quercus robur L.,pedunculate oak,x\nPlantae,,,\n"
    )
    oak, plant = read_taxa(path)
    assert oak.taxon.scientific_name == "Quercus robur"
    assert oak.common_names == ("pedunculate oak",)
    assert plant.taxon == Taxon("Plantae")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("taxa.csv", "a,b\n1,2\n", "no column names a taxon"),
        ("taxa.txt", "x", "a table is one of"),
        ("taxa.csv", "genus,species\nQuercus\n", "a list of taxa must be whole"),
    ],
)
def test_a_table_that_names_no_taxa_is_refused(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ClipbioError, match=message):
        list(read_taxa(tmp_path / name))


def test_the_command_takes_a_table_and_refuses_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from clipbio.cli import run

    (tmp_path / "taxa.csv").write_text("genus,species\nQuercus,robur\nQuercus,petraea\n")
    settings = ["model=tiny", f"taxa={tmp_path / 'taxa.csv'}", f"out={tmp_path / 'set'}", "text_type=scientific"]
    assert run("labels", settings) == 0, capsys.readouterr().err
    labels = LabelSet.load(tmp_path / "set")
    assert len(labels) == 2
    assert labels.dim == 128
    assert labels.facts["source"]["table"] == "taxa.csv"
    assert run("labels", settings) == 2
    assert "exists: give another folder" in capsys.readouterr().err
    (tmp_path / "set" / "labels.json").unlink()
    assert run("labels", [*settings, "overwrite=true"]) == 2
    assert "holds other things" in capsys.readouterr().err
