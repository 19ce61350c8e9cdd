"""Evaluation and `embed` take a model in every form in which open_clip models come."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from runs import here
from safetensors.torch import save_file

ARCHITECTURE = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "head_width": 32, "layers": 2},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, list[str]]:
    """The same model as a folder, under open_clip's name for folders, and as architecture and weights file."""
    folder = tmp_path_factory.mktemp("model")
    config = {"model_cfg": ARCHITECTURE, "preprocess_cfg": {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    (folder / "small.json").write_text(json.dumps(ARCHITECTURE))
    torch.manual_seed(0)
    state = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False).state_dict()
    weights = folder / "open_clip_model.safetensors"
    save_file({key: value.contiguous().clone() for key, value in state.items()}, weights)
    transform = ["+model.preprocess.mean=[0.4,0.5,0.6]", "+model.preprocess.std=[0.2,0.3,0.4]"]
    return {
        "folder": [f"model.name={folder}"],
        "local-dir": [f"model.name=local-dir:{folder}"],
        "file": [f"model.name={folder / 'small.json'}", f"model.pretrained={weights}", *transform],
    }


@pytest.mark.parametrize("form", ["folder", "local-dir", "file"])
def test_vectors_are_those_of_stock_open_clip(form: str, sources, make_garden, tmp_path: Path, capsys) -> None:
    garden = make_garden(species=2, per_species=3)
    pictures = sorted((garden / "images").glob("test-*.jpg"))
    cache = (f"cache_dir={tmp_path / 'cache'}", "model=openclip", *sources[form])
    status, _, errors = here(
        capsys,
        "embed",
        *cache,
        f"images={garden}/images/test-*.jpg",
        f"out={tmp_path / 'out'}",
        "decoder=pillow",
        "num_workers=0",
    )
    assert status == 0, errors
    table = pq.read_table(tmp_path / "out" / "images.parquet")
    assert table["id"].to_pylist() == [str(path) for path in pictures]
    name = sources["local-dir"][0].removeprefix("model.name=")
    stock, _, transform = open_clip.create_model_and_transforms(name)
    stock.eval()
    with torch.no_grad():
        batch = torch.stack([transform(Image.open(path)) for path in pictures])
        expected = stock.encode_image(batch, normalize=True)
    np.testing.assert_allclose(np.array(table["image"].to_pylist()), expected.numpy(), atol=1e-5)
    status, _, errors = here(
        capsys, "evaluate", *cache, "data=table", f"data.root={garden}", "data.num_workers=0", "splits=[test]",
        "benchmark=[zero_shot]", "benchmark.zero_shot.bootstrap=0", f"run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert status == 0, errors
    assert "zero_shot/test/mean/top1" in json.loads((tmp_path / "run" / "metrics.json").read_text())
