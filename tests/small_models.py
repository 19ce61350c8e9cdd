"""Small random models on disk, in the layouts of open_clip and transformers."""

import copy
import json

import open_clip
import torch
from berts import save_bert
from safetensors.torch import save_file

# Small models gain nothing from threads, and lose much on a busy machine.
torch.set_num_threads(1)

TEXT = {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 3}
VIT = {"image_size": 32, "patch_size": 16, "width": 64, "head_width": 32, "layers": 3}
BIAS = {"init_logit_scale": 2.3, "init_logit_bias": -10.0}

ARCHITECTURES = {
    "vit": {"vision_cfg": VIT, "text_cfg": TEXT},
    "vit_custom_text": {
        "custom_text": True,
        "quick_gelu": True,
        "vision_cfg": VIT | {"pool_type": "avg", "final_ln_after_pool": True},
        "text_cfg": TEXT | {"pool_type": "last", "no_causal_mask": True, "proj_bias": True},
        **BIAS,
    },
    "vit_attention_pool": {
        "vision_cfg": VIT | {"attentional_pool": True, "attn_pooler_heads": 2},
        "text_cfg": TEXT | {"embed_cls": True, "proj_type": "none", "width": 24},
        "custom_text": True,
    },
    "resnet": {"vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}, "text_cfg": TEXT},
    "timm_linear": {
        "vision_cfg": {"timm_model_name": "test_efficientnet", "timm_drop": 0.5, "image_size": 64},
        "text_cfg": TEXT,
    },
    "timm_mlp": {
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "mlp", "image_size": 160},
        "text_cfg": TEXT,
    },
    "timm_classifier": {
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": None, "image_size": 160},
        "text_cfg": TEXT,
    },
    "timm_nested_classifier": {
        "vision_cfg": {"timm_model_name": "test_convnext", "timm_pool": "avg", "timm_proj": None, "image_size": 64},
        "text_cfg": TEXT,
    },
    "siglip": {
        "custom_text": True,
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none", "image_size": 160},
        "text_cfg": TEXT | {"width": 64, "pool_type": "last", "no_causal_mask": True, "proj_bias": True},
        "embed_dim": 64,
        **BIAS,
    },
    "timm_attention_pool": {
        "vision_cfg": {
            "timm_model_name": "test_efficientnet",
            "timm_pool": "rot_attn",
            "timm_proj": "",
            "image_size": 64,
        },
        "text_cfg": TEXT,
    },
    "hugging_face_text": {
        "vision_cfg": VIT,
        "text_cfg": {"hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler", "context_length": 12},
    },
}


def architecture(name, folder=None):
    """The JSON of a small architecture; a transformers text tower lives in `folder`."""
    config = {"embed_dim": 24} | copy.deepcopy(ARCHITECTURES[name])
    if name == "hugging_face_text":
        config["text_cfg"] |= {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder)}
    return config


@torch.no_grad()
def scramble(model, seed=0):
    """Make every weight and statistic matter: many are zero or one at the start."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
        elif name.endswith("running_mean"):
            buffer.copy_(torch.randn(buffer.shape, generator=generator) * 0.1)
    return model


def save_openclip(folder, name):
    """Save a random model the way open_clip lays out a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "hugging_face_text":
        save_bert(folder)
        (folder / "model.safetensors").rename(folder / "encoder.bak")
    config = architecture(name, folder)
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}})
    )
    model = scramble(open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False))
    model.logit_scale.data.fill_(3.25)
    save_file(
        {k: v.contiguous().clone() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return config


# One tower of each library and kind, as the fixture `make_tower` builds them.
KINDS = ["openclip_image", "openclip_text", "openclip_timm", "openclip_hugging_face", "timm", "convolutions", "bert"]
KINDS += ["dna_bert", "dna_softmax", "dna_conv"]


def inputs_of(tower, count=3):
    """Pixels or tokens, the same each time."""
    if tower.modality == "dna":
        return tower.trunk.tokenizer(["ACGTTGCANACC", "GGATCCTTAAGGCCATTTAA", "acgtacgtac"][:count])
    if tower.modality == "text":
        return tower.trunk.tokenizer(["a cab.", "photo of a bad dab", "b"][:count])
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, 3, *tower.trunk.spec.size), dtype=torch.uint8, generator=generator)
