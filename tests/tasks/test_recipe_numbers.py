"""The published numbers of each recipe, and the commands and figures that its file tells."""

import math
import re
import shlex
from dataclasses import dataclass

import open_clip
import pytest

from clipbio.config import check_overrides, compose, config_dir
from clipbio.data.streams import check_divisible, deal, read_streams
from clipbio.evaluation.expected import published
from clipbio.text import TextRegime

FILES = config_dir() / "experiment"


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What a publication tells of its training."""

    model: tuple[str, str]
    per_process: dict[str, int]
    processes: int
    epochs: float
    lr: float
    warmup: str
    weight_decay: float = 0.2
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    schedule: str = "cosine"
    scale: tuple[float, float] = (0.9, 1.0)


BIOCLIP = ("ViT-B-16-quickgelu", "openai")
ADAMW = {"weight_decay": 0.01, "betas": (0.9, 0.999), "eps": 1e-8}
CLIBD = Numbers(
    model=("vit_base_patch16_224.augreg2_in21k_ft_in1k", "timm"), per_process={"main": 500}, processes=4, epochs=50,
    lr=5e-5 * 4, warmup="30 percent", schedule="one_cycle", scale=(0.08, 1.0), **ADAMW,
)  # fmt: skip
TABLE = {
    "bioclip": Numbers(
        model=BIOCLIP, per_process={"main": 4096}, processes=8, epochs=100, lr=1e-4, warmup="1000 steps"
    ),
    "bioclip_inat21": Numbers(
        model=BIOCLIP, per_process={"main": 4096}, processes=4, epochs=100, lr=1e-4, warmup="1000 steps"
    ),
    "bioclip2": Numbers(
        model=("ViT-L-14", "laion2b_s32b_b82k"), per_process={"main": 2816, "replay": 320}, processes=32, epochs=30,
        lr=1e-4, warmup="1875 steps",
    ),
    # 4,096 of both; the epochs of all rows are the published 50, see below.
    "biocap": Numbers(
        model=BIOCLIP, per_process={"main": 3416, "captions": 680}, processes=8, epochs=41.7, lr=1e-4,
        warmup="500 steps",
    ),
    "bioscan_clip_1m": CLIBD,
    "bioscan_clip_5m": Numbers(**{**vars(CLIBD), "epochs": 20}),
    "bioscan_clip_compat": CLIBD,
}  # fmt: skip
# What the head of a file, or the page, tells of a model: its figures as they are called there.
FIGURES = {
    "Rare Species": "zero_shot/rare_species/taxonomic_common/top1",
    "NABirds": "zero_shot/nabirds/label/top1",
    "Plankton": "zero_shot/plankton/label/top1",
    "Insects": "zero_shot/insects/label/top1",
    "Insects 2": "zero_shot/insects2/label/top1",
    "PlantNet": "zero_shot/plantnet/label/top1",
    "Fungi": "zero_shot/fungi/label/top1",
    "PlantVillage": "zero_shot/plantvillage/label/top1",
    "FishNet": "traits_bioclip_v2/fishnet_test/all/all_right",
    "image to image": "key_query_clibd/{}/image_to_image/species/macro@1",
    "image to DNA": "key_query_clibd/{}/image_to_dna/species/macro@1",
    "DNA to DNA": "key_query_clibd/{}/dna_to_dna/species/macro@1",
}
RECIPES = [*TABLE, "herbarium_clip"]


def head(name: str) -> str:
    """Return the comment on top of a recipe."""
    text = (FILES / f"{name}.yaml").read_text()
    found = [line.removeprefix("#") for line in text.partition("defaults:")[0].splitlines()]
    return "\n".join(found)


def commands(name: str) -> list[list[str]]:
    """Return the command lines in the head of a recipe."""
    joined = re.sub(r"\\\n\s*", "", head(name))
    return [shlex.split(line) for line in re.findall(r"^   ((?:python|torchrun|srun) .+)$", joined, re.MULTILINE)]


@pytest.mark.parametrize("name", TABLE)
def test_a_recipe_has_the_numbers_of_its_publication(name: str) -> None:
    wanted, config = TABLE[name], compose("train", [f"experiment={name}", "data.root=FOLDER"])
    image = config.model if "pretrained" in config.model else config.model.image
    assert wanted.model == (image.name, image.get("pretrained") or image.get("weights"))
    if image is config.model:
        assert image.pretrained in open_clip.list_pretrained_tags_by_model(image.name)
    shares = {key: {"share": one.share, "text": TextRegime({"common": 1})} for key, one in config.data.streams.items()}
    streams = read_streams(shares)
    rows = deal(config.data.batch_size, streams)
    assert rows == {key: count * wanted.processes for key, count in wanted.per_process.items()}
    # What fits the published number of processes fits each power of two below it.
    for processes in (1, wanted.processes // 2, wanted.processes):
        check_divisible(config.data.batch_size, streams, processes)
    assert config.duration == f"{wanted.epochs:g} epochs"
    assert (config.optim.lr, config.optim.warmup) == (wanted.lr, wanted.warmup)
    for key in ("weight_decay", "eps", "schedule"):
        assert config.optim[key] == getattr(wanted, key)
    assert tuple(config.optim.betas) == wanted.betas
    assert tuple(config.augmentation.scale) == wanted.scale
    assert config.trainer.precision == "bf16-mixed"


def test_biocap_shows_as_many_images_as_published_in_the_published_parts() -> None:
    config = compose("train", ["experiment=biocap", "data.root=FOLDER"])
    names, captions = config.data.streams.main, config.data.streams.captions
    of_names = names.share / (names.share + captions.share)
    # One kind of text of six is the caption, in rows and in weight.
    assert of_names == pytest.approx(5 / 6, rel=0.001)
    assert names.loss_weight / captions.loss_weight == pytest.approx(5)
    assert names.loss_weight + captions.loss_weight == pytest.approx(1)
    assert float(config.duration.split()[0]) / of_names == pytest.approx(50, rel=0.001)
    assert 32768 * of_names % 64 == 0


@pytest.mark.parametrize("name", RECIPES)
def test_the_commands_in_the_head_of_a_recipe_are_understood(name: str) -> None:
    verbs = []
    for words in commands(name):
        start = next(place for place, word in enumerate(words) if word.endswith(".py") or word == "clipbio")
        verb, overrides = words[start].removesuffix(".py"), words[start + 1 :]
        if verb == "clipbio":
            verb, *overrides = overrides
        check_overrides(verb, [one for one in overrides if "=" in one])
        verbs.append(verb)
        if verb == "train":
            assert f"experiment={name}" in overrides
            several = words[0] != "python"
            assert several == ("trainer=ddp" in overrides)
            told = TABLE[name].processes if several else 1
            started = re.findall(r"(?:--nodes|--ntasks-per-node|--nproc_per_node)[ =](\d+)", " ".join(words))
            assert told == math.prod(map(int, started))
    assert "train" in verbs
    assert "evaluate" in verbs or name == "bioscan_clip_compat"


@pytest.mark.parametrize("name", RECIPES)
def test_a_head_tells_data_hardware_figures_and_departures(name: str) -> None:
    if name == "bioscan_clip_compat":
        assert "could not be the same" in head(name)
        return
    for word in (" Data: ", " Hardware", " Expected", " Departures"):
        assert word in head(name)


@pytest.mark.parametrize("name", RECIPES)
def test_the_figures_in_a_head_are_those_that_reports_show(name: str) -> None:
    config = compose("train", [f"experiment={name}", "data.root=FOLDER"])
    told = " ".join(head(name).partition("Expected")[2].partition("\n\n")[0].split())
    found = 0
    for called, key in FIGURES.items():
        for numbers in re.findall(rf"(?<!\w){called} (?!2 )((?:\d+(?:\.\d+)?)(?: / [\d.]+)*)(?=[,;. ]|$)", told):
            splits = ("test", "unseen", "test+unseen")
            for split, number in zip(splits, numbers.rstrip(".").split(" / "), strict=False):
                values = [one.value for one in published(config.expected, key.format(split))]
                assert any(float(number) / 100 == pytest.approx(value) for value in values), (called, number)
                found += 1
    assert found >= 6 or config.expected is None or name == "bioscan_clip_compat"
