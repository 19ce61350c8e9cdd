"""The model: a U-Net on an encoder of timm, which says for each pixel what it shows.

Shape suffixes: B pictures, K classes (0 is background, then the labels), h and w sides of the view, L labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clipbio.checkpoint_files import CHECKPOINT_FORMAT, checkpoint_path, read_checkpoint
from clipbio.errors import ClipbioError, nearest
from clipbio.models.timm_trunk import timm_names
from clipbio.models.trunks import ImageSpec
from clipbio.models.weights import first_line, load_exactly, read_state_dict, resolve_file

__all__ = ["Segmenter", "SegmenterOptions", "load_segmenter", "save_segmenter"]

_DEPTH = 5
_KIND = "organs"


@dataclass(frozen=True, kw_only=True)
class SegmenterOptions:
    """How to make a segmenter.

    Args:
        encoder: Name of a timm model.
        weights: Its weights: a file, `package:NAME` for the file inside an installed package, or None for random ones.
        image_size: Side of the square that pictures are fitted into, a multiple of 32.
        decoder_channels: Width of the five steps of the decoder, from the coarsest to the finest.
    """

    encoder: str = "tf_efficientnet_lite0"
    weights: str | None = None
    image_size: int = 128
    decoder_channels: Sequence[int] = (32, 24, 16, 12, 8)

    def __post_init__(self) -> None:
        if self.image_size < 32 or self.image_size % 2**_DEPTH:
            raise ClipbioError(f"segmenter.image_size={self.image_size} must be a multiple of {2**_DEPTH}")
        if len(self.decoder_channels) != _DEPTH or min(self.decoder_channels) < 1:
            raise ClipbioError(f"segmenter.decoder_channels={list(self.decoder_channels)} must hold {_DEPTH} widths")

    def build(self, labels: Sequence[str], *, load_weights: bool = True) -> Segmenter:
        """Return a segmenter of these labels; without `load_weights` with weights that something else will replace."""
        network = self._network(len(labels) + 1)
        encoder: Any = network.encoder.model
        if load_weights and self.weights:
            path = resolve_file(self.weights, "segmenter.weights")
            state, wanted = timm_names(read_state_dict(path), encoder), encoder.state_dict()
            # What comes behind the last features, such as a classifier, is not a part of the encoder.
            load_exactly(encoder, {name: one for name, one in state.items() if name in wanted}, source=str(path))
        return Segmenter(network, self, tuple(labels))

    def _network(self, classes: int) -> Any:
        try:
            import segmentation_models_pytorch as smp
        except ImportError as error:
            raise ClipbioError(
                f"organs needs the package {error.name}, which is not installed: pip install 'clipbio[organs]'"
            ) from error
        import timm

        if not timm.is_model(self.encoder):
            raise ClipbioError(
                f"segmenter.encoder: timm has no model '{self.encoder}'{nearest(self.encoder, timm.list_models())}"
            )
        try:
            return smp.Unet(
                f"tu-{self.encoder}",
                encoder_depth=_DEPTH,
                encoder_weights=None,
                decoder_channels=tuple(self.decoder_channels),
                classes=classes,
            )
        except Exception as error:  # smp and timm document none of theirs
            raise ClipbioError(f"segmenter.encoder={self.encoder} makes no U-Net: {first_line(error)}") from error


class Segmenter(nn.Module):
    """A network with the labels of its classes and the view that it asks for.

    Attributes:
        labels: What it tells apart, in the order of its classes from 1 on.
        spec: How a picture becomes its pixels: whole and unbent, fitted into a square.
        prior_Lhw: For each label the one mask that fits the train masks best; a measure of what the layout alone tells.
    """

    prior_Lhw: Tensor

    def __init__(self, network: Any, options: SegmenterOptions, labels: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.options, self.labels = options, labels
        self.spec = _spec(network.encoder.model, options.image_size)
        side = options.image_size
        self.register_buffer("prior_Lhw", torch.zeros(len(labels), side, side, dtype=torch.bool))

    def forward(self, pixels_B3hw: Tensor) -> Tensor:
        """Return logits (B, K, h, w) of uint8 pixels."""
        mean, std = (
            torch.tensor(one, device=pixels_B3hw.device).view(3, 1, 1) for one in (self.spec.mean, self.spec.std)
        )
        normal_B3hw = (pixels_B3hw.float() / 255 - mean) / std
        logits_BKhw: Tensor = self.network(normal_B3hw.contiguous(memory_format=torch.channels_last))
        return logits_BKhw

    @torch.no_grad()
    def probabilities(self, pixels_B3hw: Tensor) -> Tensor:
        """Return the probability of each class at each pixel, (B, K, h, w), in evaluation mode."""
        was_training = self.training
        self.eval()
        probability_BKhw: Tensor = self(pixels_B3hw).softmax(dim=1)
        self.train(was_training)
        return probability_BKhw


def save_segmenter(segmenter: Segmenter, path: Path, *, config: Mapping[str, Any]) -> None:
    """Write a segmenter as a checkpoint of tensors and plain values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"kind": _KIND, "labels": list(segmenter.labels), "options": _plain(segmenter.options)}
    head = {"format": CHECKPOINT_FORMAT, "config": dict(config), "segmenter": facts}
    torch.save({"clipbio": head, "state_dict": segmenter.state_dict()}, path)


def load_segmenter(given: str | Path) -> Segmenter:
    """Return the segmenter of a run folder or checkpoint file, in evaluation mode.

    Raises:
        ClipbioError: There is none, or it is a checkpoint of something else.
    """
    path = checkpoint_path(given)
    checkpoint = read_checkpoint(path)
    facts = checkpoint["clipbio"].get("segmenter")
    if not facts or facts.get("kind") != _KIND:
        raise ClipbioError(f"{path} is no segmenter of organs: give the run of 'clipbio organs action=train'")
    segmenter = SegmenterOptions(**facts["options"]).build(facts["labels"], load_weights=False)
    load_exactly(segmenter, checkpoint["state_dict"], source=str(path))
    return segmenter.eval()


def _plain(options: SegmenterOptions) -> dict[str, Any]:
    return {**dataclasses.asdict(options), "decoder_channels": list(options.decoder_channels)}


def _spec(encoder: Any, side: int) -> ImageSpec:
    from timm.data import resolve_data_config

    cfg = resolve_data_config(pretrained_cfg=getattr(encoder, "pretrained_cfg", None) or {}, model=encoder)
    return ImageSpec(
        size=(side, side),
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        interpolation="bilinear",
        resize_mode="longest",
        fill=round(255 * sum(cfg["mean"]) / 3),
    )
