"""Everything that is imported from open_clip, so that a step to its next major version is a change of this file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import pickle
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.loss import ClipLoss, SigLipLoss
from open_clip.model import CustomTextCLIP
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import TextTransformer, VisionTransformer
from torch import nn

from clipbio.errors import ClipbioError, nearest
from clipbio.models.tokenizer import Tokenizer
from clipbio.models.trunks import ImageSpec
from clipbio.models.weights import first_line

__all__ = [
    "ClipLoss",
    "HFTextEncoder",
    "Loaded",
    "ModifiedResNet",
    "SigLipLoss",
    "TextTransformer",
    "TimmModel",
    "VisionTransformer",
    "load",
    "stock",
]

_log = logging.getLogger(__name__)
_HUB, _FOLDER = "hf-hub:", "local-dir:"
# Weights beside those of a plain CLIP that forks of open_clip save while they train.
_EXTRA = re.compile(r"(^|\.)(continual|caption)_\w+(\.weight|\.bias)?$|(^|\.)logit_scale_\w+$")


@dataclass(frozen=True)
class Loaded:
    """A model of open_clip with separate towers, and what is needed to feed it."""

    visual: nn.Module
    text: nn.Module
    config: dict[str, Any]
    spec: ImageSpec
    tokenizer: Tokenizer
    logit_scale: float
    logit_bias: float | None
    decoder: nn.Module | None
    """The caption decoder of a CoCa model; `random` says that nothing was loaded into it."""
    random: bool


def load(
    name: str,
    pretrained: str | None = None,
    *,
    image_size: int | None = None,
    context_length: int | None = None,
    preprocess: Mapping[str, Any] | None = None,
    load_weights: bool = True,
) -> Loaded:
    """Load a model of open_clip.

    `name` is an architecture, `hf-hub:ORG/NAME`, a folder with `open_clip_config.json` (also as `local-dir:FOLDER`), or
    a JSON file with an architecture. `pretrained` is a tag or a weights file; hub and folder bring their own weights.
    `preprocess` replaces parts of the image transform: mean, std, interpolation, resize_mode, fill_color.
    Without `load_weights` nothing but the architecture is read, for weights that come from a checkpoint.
    """
    name = _canonical(name)
    with _quiet():
        config = _config(name)
    file, tag = _weights(name, pretrained)
    tag_config = open_clip.get_pretrained_cfg(name, tag) if tag else {}
    own_weights = name.startswith((_HUB, _FOLDER)) and file is None
    options: dict[str, Any] = {}
    if tag:
        # The tag knows the activation its weights were trained with; the plain architecture may say otherwise.
        options["quick_gelu"] = config["quick_gelu"] = bool(tag_config.get("quick_gelu", False))
    try:
        with _quiet():
            model = open_clip.create_model(
                name,
                tag if load_weights else None,
                load_weights=load_weights and file is None,
                # A hub or folder without weights would otherwise become a random model with a mere warning.
                require_pretrained=load_weights and own_weights,
                pretrained_text=load_weights,
                force_custom_text=True,
                force_image_size=image_size,
                force_context_length=context_length,
                force_preprocess_cfg={**tag_config, **(preprocess or {})},
                **options,
            )
            if file and load_weights:
                _load_file(model, file)
            tokenizer = _tokenizer(name, model, config, context_length)
    except Exception as error:  # what open_clip, timm, transformers and the hub raise here is not documented
        raise ClipbioError(f"cannot load model.name={name}{_tell(pretrained)}: {_condense(error)}") from error
    if load_weights and not (file or tag or own_weights):
        tags = open_clip.list_pretrained_tags_by_model(name)
        hint = f"; model.pretrained is not set, its tags are {', '.join(tags)}" if tags else ""
        _log.log(logging.WARNING if tags else logging.INFO, "%s starts from random weights%s", name, hint)
    return _unpack(model, config, tokenizer, random=not (load_weights and (file or tag or own_weights)))


def stock(folder: Path) -> tuple[Any, Any, Any]:
    """Return model, evaluation transform and tokenizer as open_clip itself makes them of a folder.

    Raises:
        ClipbioError: It cannot.
    """
    name = f"{_FOLDER}{folder}"
    try:
        with _quiet():
            model, _, preprocess = open_clip.create_model_and_transforms(name)
            return model.eval(), preprocess, open_clip.get_tokenizer(name)
    except Exception as error:  # what open_clip, timm, transformers and the hub raise here is not documented
        raise ClipbioError(f"open_clip cannot load {folder}: {_condense(error)}") from error


def _load_file(model: nn.Module, file: Path) -> None:
    """Load a weights file whose names are those of the model, but for further projections of BioCLIP's forks.

    They train `continual_proj` (BioCLIP 2, replay) or `caption_proj` (BioCAP, captions) beside the projection that is
    compared with names, and drop them on release.
    """
    found = open_clip.load_checkpoint(model, str(file), strict=False, weights_only=True)
    missing, unexpected = (getattr(found, key, []) for key in ("missing_keys", "unexpected_keys"))
    extra = [name for name in unexpected if _EXTRA.search(name)]
    if missing:
        raise RuntimeError(f'Missing key(s) in state_dict: "{missing[0]}"')
    if unknown := [name for name in unexpected if name not in extra]:
        raise RuntimeError(f'Unexpected key(s) in state_dict: "{unknown[0]}"')
    if extra:
        _log.warning("%s: %s left out, its main projection is taken", file.name, " and ".join(extra))


def _canonical(name: str) -> str:
    """Register an architecture given by file, and say folders the way open_clip wants them."""
    if name.endswith(".json"):
        return _register(Path(name).expanduser())
    folder = Path(name.removeprefix(_FOLDER)).expanduser()
    if name.startswith(_FOLDER) or folder.is_dir():
        if not (folder / "open_clip_config.json").is_file():
            raise ClipbioError(f"model.name: '{folder}' holds no open_clip_config.json")
        return f"{_FOLDER}{folder}"
    return name if name.startswith(_HUB) else name.replace("/", "-")


def _register(path: Path) -> str:
    """Add the architecture of a JSON file under a name that no other content can have."""
    if not path.is_file():
        raise ClipbioError(f"model.name: there is no file '{path}'")
    content = path.read_bytes()
    try:
        config = json.loads(content)
        missing = {"embed_dim", "vision_cfg", "text_cfg"} - set(config)
    except (ValueError, AttributeError, TypeError) as error:
        raise ClipbioError(f"model.name: '{path}' is not a JSON architecture: {first_line(error)}") from error
    if missing:
        raise ClipbioError(f"model.name: '{path}' is not an architecture: it lacks {', '.join(sorted(missing))}")
    name = f"{path.stem}-{hashlib.sha256(content).hexdigest()[:12]}"
    if name not in open_clip.list_models():
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / f"{name}.json"
            copy.write_text(json.dumps(config))
            open_clip.add_model_config(copy)
    return name


def _config(name: str) -> dict[str, Any]:
    try:
        config = open_clip.get_model_config(name)
    except Exception as error:
        if not name.startswith(_HUB):
            raise ClipbioError(f"cannot read the architecture of {name}: {first_line(error)}") from error
        raise ClipbioError(
            f"cannot fetch {name} ({type(error).__name__}: {first_line(error)}); check the name and the network, "
            "or download it and give the folder as model.name"
        ) from error
    if config is None:
        raise ClipbioError(f"open_clip has no architecture '{name}'{nearest(name, open_clip.list_models())}")
    if "multimodal_cfg" in config:
        _check_coca(name, config)
    return dict(config)


def _check_coca(name: str, config: Mapping[str, Any]) -> None:
    """Refuse a CoCa whose towers give its captions nothing to read.

    A text tower of transformers sees later words too: it would copy the next word instead of telling it.
    """
    others = {"timm_model_name": "timm", "hf_model_name": "transformers"}
    for key in {*config["vision_cfg"], *config["text_cfg"]} & {*others}:
        raise ClipbioError(
            f"{name} is a CoCa with a tower of {others[key]}, which gives captions nothing to read: take one of "
            "open_clip's own towers, such as coca_ViT-B-32"
        )


def _weights(name: str, pretrained: str | None) -> tuple[Path | None, str | None]:
    """Tell whether `pretrained` is a file or a tag of the architecture."""
    if not pretrained:
        return None, None
    path = Path(pretrained).expanduser()
    if path.is_file():
        return path, None
    if name.startswith((_HUB, _FOLDER)):
        raise ClipbioError(f"{name} brings its own weights: set model.pretrained=null or to a weights file that exists")
    if path.suffix or "/" in pretrained:
        raise ClipbioError(f"model.pretrained: there is no file '{pretrained}'")
    tags = open_clip.list_pretrained_tags_by_model(name)
    if open_clip.is_pretrained_cfg(name, pretrained):
        return None, pretrained
    if not tags:
        raise ClipbioError(f"model.pretrained: {name} has no pretrained tags; give a weights file or null")
    raise ClipbioError(f"model.pretrained: {name} has no tag '{pretrained}'{nearest(pretrained, tags)}")


def _tokenizer(name: str, model: Any, config: Mapping[str, Any], context_length: int | None) -> Tokenizer:
    encode = open_clip.get_tokenizer(name, context_length=context_length)
    # The weights know their pad id; encoders from transformers carry it in their own config.
    pad_id = getattr(getattr(model.text, "config", None), "pad_token_id", None)
    if pad_id is None:
        pad_id = config["text_cfg"].get("pad_id", 0)
    inner = getattr(encode, "tokenizer", None)
    if inner is not None and inner.pad_token_id is not None:
        pad_id = inner.pad_token_id
    return Tokenizer(encode, context_length=int(encode.context_length), pad_id=int(pad_id))


def _unpack(model: CustomTextCLIP, config: dict[str, Any], tokenizer: Tokenizer, *, random: bool) -> Loaded:
    cfg = model.visual.preprocess_cfg
    size = cfg["size"]
    spec = ImageSpec(
        size=(size, size) if isinstance(size, int) else (int(size[0]), int(size[1])),
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        interpolation=cfg["interpolation"],
        resize_mode=cfg["resize_mode"],
        fill=int(cfg["fill_color"]),
    )
    bias = model.logit_bias
    decoder = getattr(model, "text_decoder", None)
    return Loaded(
        visual=model.visual.to(torch.float32),
        text=model.text.to(torch.float32),
        config=config,
        spec=spec,
        tokenizer=tokenizer,
        logit_scale=float(model.logit_scale.detach()),
        logit_bias=None if bias is None else float(bias.detach()),
        decoder=None if decoder is None else decoder.to(torch.float32),
        random=random,
    )


def _condense(error: BaseException) -> str:
    """Say in one line what PyTorch says in hundreds when weights do not fit."""
    text = str(error)
    if isinstance(error, pickle.UnpicklingError):
        return "the file is corrupt or holds pickled code, which is never run"
    for pattern, form in (
        (r"size mismatch for (\S+): .*?shape (torch.Size\(\S.*?\)) .*?shape in current model is (torch.Size\(.*?\))",
         "weight '{0}' is {1} in the file, {2} in the model"),
        (r'Missing key\(s\) in state_dict: "([^"]+)"', "the file lacks weight '{0}'"),
        (r'Unexpected key\(s\) in state_dict: "([^"]+)"', "the file has the unknown weight '{0}'"),
    ):  # fmt: skip
        found = re.search(pattern, text, flags=re.DOTALL)
        if found:
            hint = "; give that file as model.pretrained, and it is left out" if _EXTRA.search(found[1]) else ""
            return form.format(*(part.replace("torch.Size", "") for part in found.groups())) + hint
    return f"{type(error).__name__}: {first_line(error)}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what open_clip says on the root logger: it also warns of random weights where a checkpoint follows."""
    root, handler = logging.getLogger(), logging.NullHandler()

    def foreign(record: logging.LogRecord) -> bool:
        return "open_clip" not in record.pathname

    root.addHandler(handler)  # without any handler its first message would configure logging for the whole process
    root.addFilter(foreign)
    try:
        yield
    finally:
        root.removeFilter(foreign)
        root.removeHandler(handler)


def _tell(pretrained: str | None) -> str:
    return f" with model.pretrained={pretrained}" if pretrained else ""
