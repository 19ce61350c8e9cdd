"""`ground` from the command line to pictures and places, with a tiny model."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from clipbio.config import compose, plain
from clipbio.errors import ClipbioError
from clipbio.tasks.ground import ground

HERBARIUM = [
    *("data=virtual", "data.source.num_species=2", "data.source.num_unseen=1", "data.source.specimens_per_species=4"),
    *("data.source.image_size=64", "data.source.barcodes=none"),
]


def config_of(tmp_path, *overrides):
    return plain(compose("ground", ["model=tiny", f"cache_dir={tmp_path / 'cache'}", *overrides]))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "sheet.png"
    Image.effect_noise((90, 60), 80).convert("RGB").save(path)
    return path


def test_a_query_becomes_a_picture_and_a_place(tmp_path, picture):
    out = tmp_path / "found" / "heat.png"
    ground(config_of(tmp_path, f"image={picture}", "query=red flowers", f"out={out}", "side=120", "image_size=48"))
    assert Image.open(io.BytesIO(out.read_bytes())).size == (120, 80)
    facts = json.loads(out.with_suffix(".json").read_text())
    assert facts["method"] == "sclip"
    (found,) = facts["maps"]
    assert found["text"] == "red flowers"
    assert 0 <= found["peak"]["x"] <= 90
    assert 0 <= found["peak"]["y"] <= 60
    assert len(found["box"]) == 4
    with pytest.raises(ClipbioError, match=r"heat\.png exists"):
        ground(config_of(tmp_path, f"image={picture}", "query=x", f"out={out}"))


def test_phrases_of_a_specimens_description_are_linked(tmp_path):
    out = tmp_path / "heat.png"
    here = ["specimen=VH000003", "description=true", f"out={out}", "method=crop", "levels=1"]
    ground(config_of(tmp_path, *HERBARIUM, *here))
    facts = json.loads(out.with_suffix(".json").read_text())
    assert len(facts["maps"]) > 2
    for found in facts["maps"]:
        assert (tmp_path / found["file"]).exists()
        start, end = found["span"]
        assert 0 <= start < end


def test_without_a_file_places_are_printed(tmp_path, picture, capsys):
    ground(config_of(tmp_path, f"image={picture}", "query=[red flowers,ovate leaves]", "method=raw"))
    printed = capsys.readouterr().out
    assert "red flowers" in printed
    assert "ovate leaves" in printed
    assert "90 x 60 pixels, by raw and softmax" in printed


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["query=x"], "give image=FILE, or specimen=ID"),
        (["image=nowhere.png", "query=x"], "image=nowhere.png cannot be read"),
        (["image={picture}"], "nothing to look for"),
        (["image={picture}", "query=x", "out=heat.jpg"], r"out=heat\.jpg must end in \.png"),
        (["image={picture}", "query=x", "method=conv"], "method=conv does not go with a VisionTransformer"),
        (["image={picture}", "description=true"], "no specimen with a description"),
        ([*HERBARIUM, "specimen=VH999999", "query=x"], "has no specimen 'VH999999'"),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path, picture, overrides, message):
    with pytest.raises(ClipbioError, match=message):
        ground(config_of(tmp_path, *(one.replace("{picture}", str(picture)) for one in overrides)))
