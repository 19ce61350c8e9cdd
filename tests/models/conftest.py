import pytest
import torch
from berts import save_bert
from small_models import save_openclip

from clipbio.dna import BarcodeTokenizer
from clipbio.models import BertDna, ConvDna, TimmImage, TowerOptions, TransformersText, openclip

OPENCLIP = {
    "openclip_image": ("vit", "image"),
    "openclip_text": ("vit", "text"),
    "openclip_timm": ("timm_linear", "image"),
    "openclip_hugging_face": ("hugging_face_text", "text"),
}
SHAPE = {"layers": 2, "heads": 2, "width": 16, "max_positions": 16, "trunk_dropout": 0.0}
DNA = {
    "dna_bert": lambda **options: BertDna(tokenizer=BarcodeTokenizer(k=2, max_length=20), **SHAPE | options),
    "dna_softmax": lambda **options: BertDna(
        tokenizer=BarcodeTokenizer(k=2, max_length=20, vocabulary="clibd"), pooling="softmax_mean", **SHAPE | options
    ),
    "dna_conv": lambda **options: ConvDna(
        tokenizer=BarcodeTokenizer(k=2, stride=1, max_length=20, cls=False), layers=2, width=8, kernel=3, **options
    ),
}


@pytest.fixture(scope="session")
def openclip_folder(tmp_path_factory):
    """Folders of small open_clip models, made once."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("openclip") / name
            save_openclip(made[name], name)
        return made[name]

    return folder


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert") / "small")


@pytest.fixture
def make_tower(openclip_folder, bert_folder):
    """A function that builds a tower of one of `small_models.KINDS`, with the same weights each time."""

    def make(kind, **options):
        torch.manual_seed(0)
        if kind in ("openclip_timm", "convolutions") and options.get("lora"):
            options["lora"] = options["lora"] | {"targets": ["conv_pw", "conv_pwl"]}
        if kind in OPENCLIP:
            name, modality = OPENCLIP[kind]
            return openclip(str(openclip_folder(name)), **{modality: TowerOptions(**options)}).tower(modality)
        if kind in DNA:
            return DNA[kind](**options).build(dim=8)
        if kind == "bert":
            return TransformersText(weights=str(bert_folder), **options).build(dim=8)
        if kind == "convolutions":
            return TimmImage(name="test_efficientnet", image_size=32, **options).build(dim=8)
        return TimmImage(name="test_vit", **options).build(dim=8)

    return make
