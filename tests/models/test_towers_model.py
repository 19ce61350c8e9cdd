"""`towers`: any subset of modalities; a DNA tower beside those of open_clip."""

import pytest
import torch

from clipbio.dna import BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.models import ConvDna, TimmImage, TowerOptions, TransformersText, openclip, towers

CONV = ConvDna(tokenizer=BarcodeTokenizer(k=2, max_length=20), layers=1, width=8)
VIT = TimmImage(name="test_vit")


def test_any_subset_of_towers(bert_folder):
    text = TransformersText(weights=str(bert_folder))
    assert towers(dna=CONV, dim=6).modalities == ("dna",)
    assert towers(dna=CONV, image=VIT, dim=6).modalities == ("image", "dna")
    model = towers(image=VIT, text=text, dna=CONV, dim=6)
    assert model.modalities == ("image", "text", "dna")
    assert {model.tower(name).dim() for name in model.modalities} == {6}
    tokens_BL = model.tower("dna").trunk.tokenizer(["ACGTACGT", "GATTACA"])
    torch.testing.assert_close(model({"dna": tokens_BL})["dna"].norm(dim=-1), torch.ones(2))


def test_the_seed_decides_initial_weights():
    prints = [towers(dna=CONV, dim=6, seed=seed).tower("dna").fingerprint() for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


def test_towers_in_the_wrong_place_or_none_are_refused():
    with pytest.raises(ClipbioError, match=r"no tower is given; set at least one of model\.image"):
        towers()
    with pytest.raises(ClipbioError, match=r"model\.image builds a tower for dna: give it as model\.dna"):
        towers(image=CONV)


def test_dna_beside_open_clip(openclip_folder):
    folder = str(openclip_folder("vit"))
    model = openclip(folder, dna=CONV)
    assert model.modalities == ("image", "text", "dna")
    assert model.tower("dna").dim() == model.dim == 24
    assert torch.equal(
        model.tower("image").projections["default"].body.weight,
        openclip(folder).tower("image").projections["default"].body.weight,
    )
    new = TowerOptions(projection="linear")
    assert openclip(folder, image=new, text=new, dna=CONV, dim=10).tower("dna").dim() == 10


def test_a_tower_alone_has_the_space_of_its_trunk():
    model = towers(image=TimmImage(name="test_vit", projection="identity"), dim=None)
    assert model.dim == model.tower("image").trunk.width
