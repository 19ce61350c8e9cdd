"""What a run trains, through the commands: adapters, locked groups, averages, compiled trunks, clipped gradients."""

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from gardens import write_garden
from PIL import Image
from runs import SMALL, here, lines, losses

from clipbio.data.transforms import ImageTransform
from clipbio.models import MultiTower
from clipbio.tasks.building import build_model
from clipbio.training.checkpoints import load_into, read_checkpoint
from clipbio.training.module import ContrastiveModule

Capture = pytest.CaptureFixture[str]
Tuned = tuple[Path, Path, list[str]]
SHORT = ("duration=4 steps", "validation.every=2 steps", "optim.lr=1e-2", "text=common")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    write_garden(folder / "garden", species=4, per_species=6)
    return folder


def train(base: Path, capsys: Capture, name: str, *more: str) -> Path:
    """Train in this process, and return the run folder."""
    overrides = [*SMALL, *SHORT, f"data.root={base / 'garden'}", f"cache_dir={base / 'cache'}", *more]
    status, _, err = here(capsys, "train", *overrides, f"run_dir={base / name}")
    assert status == 0, err
    return base / name


def last(run: Path) -> dict[str, Any]:
    return read_checkpoint(run / "checkpoints" / "last.ckpt")


def restored(path: Path, **options: Any) -> MultiTower:
    """Build the model of a checkpoint by its own config."""
    checkpoint = read_checkpoint(path)
    model = build_model(checkpoint["clipbio"]["config"], load_weights=False)
    load_into(checkpoint, {"model": model}, path, **options)
    return model.eval()


def embeddings(model: MultiTower) -> dict[str, torch.Tensor]:
    image, text = (model.tower(name).trunk for name in ("image", "text"))
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, 3, *image.spec.size), dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        return model({"image": pixels, "text": text.tokenizer(["a rose", "an oak"])})


def moved(run: Path) -> set[str]:
    """Return names of weights and statistics that are not those of the start, bit by bit."""
    checkpoint = last(run)
    start = build_model(checkpoint["clipbio"]["config"], load_weights=True).state_dict()
    return {name for name, one in start.items() if not torch.equal(one, checkpoint["state_dict"][f"model.{name}"])}


@pytest.fixture(scope="module")
def tuned(base: Path) -> Path:
    """A run with adapters in the last block of the image tower, one unlocked group of text, averages and decay."""
    pytest.importorskip("peft", reason="the extra lora is not installed")
    capsys = _Silent()
    return train(
        base, capsys, "tuned", "model.image.lora={rank: 2}", "model.image.unlocked=1", "model.text.unlocked=1",
        "model.image.gradient_checkpointing=true", "optim.layer_decay=0.5", "callbacks=ema", "callbacks.ema.decay=0.5",
        "optim.schedule=constant", "optim.warmup=0 steps",
    )  # type: ignore[arg-type]  # fmt: skip


class _Silent:
    def readouterr(self) -> Any:
        return type("Captured", (), {"out": "", "err": ""})


def test_exactly_the_named_parameters_move(tuned: Path) -> None:
    names = set(last(tuned)["state_dict"])
    names = {name.removeprefix("model.") for name in names if name.startswith("model.")}
    depth = max(
        int(name.split(".")[6]) for name in names if ".image.trunk.encoder.transformer.resblocks." in f".{name}"
    )
    text_depth = max(
        int(name.split(".")[6]) for name in names if ".text.trunk.encoder.transformer.resblocks." in f".{name}"
    )
    image_block = f"towers.image.trunk.encoder.transformer.resblocks.{depth}."
    text_block = f"towers.text.trunk.encoder.transformer.resblocks.{text_depth}."
    expected = {name for name in names if name.startswith(image_block) and "lora_" in name}
    expected |= {name for name in names if name.startswith((text_block, "towers.text.trunk.encoder.ln_final"))}
    expected |= {name for name in names if ".projections." in name}
    assert depth > 0
    assert moved(tuned) == expected


def test_the_log_names_one_rate_per_part(tuned: Path) -> None:
    rates = [line for line in lines(tuned / "metrics.jsonl") if "lr/image" in line]
    assert {name for name in rates[0] if name.startswith("lr")} == {"lr/image", "lr/text", "lr/head"}
    assert all(line["lr/image"] == pytest.approx(1e-2) for line in rates)
    groups = last(tuned)["optimizer_states"][0]["param_groups"]
    found = {group["name"]: group["lr"] for group in groups}
    assert found["image/depth_00"] == pytest.approx(1e-2)
    assert found["image/depth_01"] == found["text/depth_01"] == pytest.approx(5e-3)
    assert not any("depth_02" in name for name in found)


def test_the_average_is_what_evaluation_uses(tuned: Path) -> None:
    path = tuned / "checkpoints" / "last.ckpt"
    found = {weights: embeddings(restored(path, weights=weights)) for weights in ("auto", "averaged", "trained")}
    assert torch.equal(found["auto"]["image"], found["averaged"]["image"])
    assert (found["averaged"]["image"] - found["trained"]["image"]).abs().max() > 1e-4


@pytest.mark.parametrize("weights", ["averaged", "trained"])
def test_an_export_gives_the_embeddings_of_the_run_without_adapters(
    weights: str, tuned: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "exported.ckpt"
    status, _, err = here(capsys, "export", f"checkpoint={tuned}", f"out={out}", f"weights={weights}")
    assert status == 0, err
    exported = read_checkpoint(out)
    assert exported["clipbio"]["config"]["model"]["image"]["lora"] is None
    assert not any("lora" in name or "base_layer" in name for name in exported["state_dict"])
    assert set(exported) == {"clipbio", "state_dict", "global_step"}
    before = embeddings(restored(tuned / "checkpoints" / "best.ckpt", weights=weights))
    for modality, vectors in embeddings(restored(out)).items():
        torch.testing.assert_close(vectors, before[modality], atol=1e-5, rtol=0)
    status, _, err = here(capsys, "export", f"checkpoint={tuned}", f"out={out}")
    assert status == 2
    assert "overwrite=true" in err


def test_an_export_is_evaluated_and_fine_tuned(tuned: Path, base: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "exported.ckpt"
    assert here(capsys, "export", f"checkpoint={tuned}", f"out={out}")[0] == 0
    status, _, err = here(
        capsys, "evaluate", f"checkpoint={out}", f"run_dir={tmp_path / 'out'}", f"cache_dir={base / 'cache'}",
        "splits=[test]", "benchmark=[zero_shot]", "benchmark.zero_shot.bootstrap=20", "benchmark.zero_shot.permutations=0",
    )  # fmt: skip
    assert status == 0, err
    ours, theirs = (json.loads((path / "metrics.json").read_text()) for path in (tmp_path / "out", tuned))
    assert ours["zero_shot/test/common/top1"] == pytest.approx(theirs["zero_shot/test/common/top1"])
    # A frozen tower's features are encoded with the weights it starts from.
    run = train(
        base, capsys, "from_export", f"init={out}", "model.image.unlocked=0", "model.image.train_projection=false"
    )
    source, target = embeddings(restored(out)), embeddings(restored(run / "checkpoints" / "last.ckpt"))
    torch.testing.assert_close(target["image"], source["image"])
    metrics = json.loads((run / "metrics.json").read_text())
    again = here(
        capsys, "evaluate", f"checkpoint={run}", f"run_dir={tmp_path / 'again'}", "cache_features=off",
        f"cache_dir={base / 'cache'}", "splits=[test]", "benchmark=[zero_shot]", "benchmark.zero_shot.bootstrap=20",
        "benchmark.zero_shot.permutations=0",
    )  # fmt: skip
    assert again[0] == 0
    uncached = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert {name: metrics[name] for name in uncached} == pytest.approx(uncached, abs=1e-6)


def test_vectors_that_embed_wrote_are_those_that_an_evaluation_would_make(
    tuned: Path, base: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Adapters are merged by both, so that both know the run by one hash, and one meets what the other kept."""
    overrides = (f"checkpoint={tuned}", f"cache_dir={tmp_path / 'cache'}", "splits=[test]")
    status, _, err = here(capsys, "embed", *overrides, f"out={tmp_path / 'vectors'}")
    assert status == 0, err
    asked = ("benchmark=[zero_shot]", "benchmark.zero_shot.bootstrap=0", "benchmark.zero_shot.permutations=0")
    status, _, err = here(
        capsys, "evaluate", *overrides, *asked, f"embeddings={tmp_path / 'vectors'}", f"run_dir={tmp_path / 'given'}"
    )
    assert status == 0, err
    status, _, err = here(capsys, "evaluate", *overrides, *asked, f"run_dir={tmp_path / 'own'}")
    assert status == 0, err
    stores = [path for path in (tmp_path / "cache" / "embeddings").iterdir() if (path / "identity.json").is_file()]
    assert len(stores) == 1
    given, own = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("given", "own"))
    assert given == pytest.approx(own)


def test_stock_open_clip_answers_as_the_run_does(tuned: Path, base: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "folder"
    status, _, err = here(
        capsys, "export", f"checkpoint={tuned}", f"out={out}", "format=open_clip", "licence=cc-by-4.0"
    )
    assert status == 0, err
    stock, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{out}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{out}")
    names = [f"plant {number}" for number in range(4)]
    classes_DC = open_clip.zero_shot_classifier.build_zero_shot_classifier(
        stock.eval(), tokenizer, names, [lambda name: f"a photo of {name}."]
    )
    paths = sorted((base / "garden" / "images").glob("test-*.jpg"))
    model = restored(tuned / "checkpoints" / "best.ckpt")
    trunk = model.tower("text").trunk
    transform = ImageTransform(model.tower("image").trunk.spec, decoder="pillow")
    with torch.no_grad():
        given = stock.encode_image(torch.stack([preprocess(Image.open(path)) for path in paths]), normalize=True)
        images = model.tower("image")(torch.stack([transform(path.read_bytes()) for path in paths]))
        texts = model.tower("text")(trunk.tokenizer([f"a photo of {name}." for name in names]))
    torch.testing.assert_close(given @ classes_DC, images @ texts.T, atol=1e-5, rtol=0)
    assert torch.equal((given @ classes_DC).argmax(dim=1), (images @ texts.T).argmax(dim=1))
    scale = read_checkpoint(tuned / "checkpoints" / "best.ckpt")["averaged"]["weights"]["heads.default.logit_scale"]
    assert float(stock.logit_scale.detach()) == pytest.approx(float(scale))
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlicense: cc-by-4.0\nlibrary_name: open_clip\n")
    for told in ("48 specimens", "common 100 %", "model.image.lora: {'rank': 2}", "zero shot, test", "weights=auto"):
        assert told in card
    status, _, err = here(capsys, "export", f"checkpoint={tuned}", f"out={out}", "format=open_clib")
    assert status == 2
    assert "did you mean 'open_clip'" in err


def test_adapters_start_from_a_run_without_them_and_not_the_other_way(tuned: Path, base: Path, capsys: Capture) -> None:
    plain_run = train(base, capsys, "plain", "duration=2 steps")
    adapted = train(base, capsys, "adapted", f"init={plain_run}", "model.image.lora={rank: 2}")
    source, target = (last(run)["state_dict"] for run in (plain_run, adapted))
    frozen = {name: tensor for name, tensor in target.items() if ".image.trunk." in name and "lora_" not in name}
    assert frozen
    best = read_checkpoint(plain_run / "checkpoints" / "best.ckpt")["state_dict"]
    assert all(torch.equal(best[name.replace(".base_layer", "")], tensor) for name, tensor in frozen.items())
    assert source.keys() < {name.replace(".base_layer", "") for name in target}
    overrides = [*SMALL, *SHORT, f"data.root={base / 'garden'}", f"cache_dir={base / 'cache'}"]
    status, _, err = here(capsys, "train", *overrides, f"init={tuned}", f"run_dir={base / 'refused'}")
    assert status == 2
    assert "python -m clipbio export" in err


def test_a_compiled_run_has_the_same_keys_and_the_same_losses(base: Path, capsys: Capture) -> None:
    short = ("duration=2 steps", "validation.splits=[]", "evaluate_splits=[]")
    plain_run = train(base, capsys, "not_compiled", *short)
    compiled = train(base, capsys, "compiled", "compile={backend: eager}", *short)
    assert last(compiled)["state_dict"].keys() == last(plain_run)["state_dict"].keys()
    assert losses(compiled) == pytest.approx(losses(plain_run), rel=1e-4)


def test_bf16_on_a_cpu_gives_finite_losses(base: Path, capsys: Capture) -> None:
    run = train(base, capsys, "bf16", "trainer.precision=bf16-mixed")
    assert all(torch.isfinite(torch.tensor(losses(run))))
    assert len(losses(run)) == 4
    weights = last(run)["state_dict"].values()
    assert all(tensor.dtype != torch.bfloat16 for tensor in weights)


def test_gradients_are_clipped_to_the_norm_that_was_asked_for(
    base: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms = []

    def note(module: ContrastiveModule, optimizer: torch.optim.Optimizer) -> None:
        gradients = [one.grad for one in module.parameters() if one.grad is not None]
        if gradients:  # those with which the step before was made
            norms.append(torch.stack([gradient.norm() for gradient in gradients]).norm().item())

    monkeypatch.setattr(ContrastiveModule, "on_before_zero_grad", note)
    for bound, name in ((0.05, "clipped"), (None, "free")):
        norms.clear()
        # Lightning forgets gradients before a validation.
        clip = f"trainer.gradient_clip_val={'null' if bound is None else bound}"
        train(base, capsys, name, clip, "validation.every=4 steps")
        assert len(norms) == 3
        assert all((norm == pytest.approx(0.05, rel=1e-3)) == (bound is not None) for norm in norms)
        assert min(norms) > 0.04
