"""One contrastive head per projection, and what streams, projections and towers must agree on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import nn

from clipbio.data.streams import Stream, by_projection
from clipbio.errors import ClipbioError
from clipbio.losses import Head
from clipbio.models import MultiTower

__all__ = ["build_heads", "check_modalities", "check_projections", "loss_weights"]

_DEFAULT = "default"
_TEMPERATURE = ("logit_scale", "logit_bias")


def check_projections(model: MultiTower, streams: Mapping[str, Stream]) -> None:
    """Refuse a stream whose projection no tower has, and a projection that no stream trains."""
    groups = by_projection(streams)
    known = {name for modality in model.modalities for name in model.tower(modality).projections}
    for projection, names in groups.items():
        if projection not in known:
            raise ClipbioError(
                f"data.streams.{names[0]}.projection={projection}: no tower has it; "
                f"add model.image.projections=[{projection}]"
            )
    for projection in sorted(known - set(groups)):
        used = "evaluation uses it" if projection == _DEFAULT else f"remove {projection} from model.*.projections"
        raise ClipbioError(f"no stream trains the projection '{projection}' ({used}): set data.streams.NAME.projection")


def check_modalities(model: MultiTower, heads: nn.ModuleDict) -> None:
    """Refuse a loss over a modality that the model does not encode."""
    for head in heads.values():
        assert isinstance(head, Head)
        for name in head.modalities:
            if name not in model.modalities:
                raise ClipbioError(
                    f"the loss needs '{name}', but the model encodes {', '.join(model.modalities)}: change loss.pairs; "
                    f"pairs given in a command line are added to those of the config, '~loss.pairs.A-B' takes one out"
                )


def build_heads(build: Callable[[], Head], streams: Mapping[str, Stream]) -> nn.ModuleDict:
    """Return a head per projection; those without a temperature of their own share that of the first such head.

    Args:
        build: Makes a head.
        streams: The streams of the run.
    """
    heads: dict[str, Head] = {}
    shared: Head | None = None
    for projection, names in _default_first(by_projection(streams)).items():
        head = heads[projection] = build()
        if streams[names[0]].own_temperature:
            continue
        if shared is None:
            shared = head
            continue
        for name in _TEMPERATURE:
            if isinstance(getattr(shared, name, None), nn.Parameter):
                setattr(head, name, getattr(shared, name))
    return nn.ModuleDict(heads)


def loss_weights(streams: Mapping[str, Stream]) -> dict[str, float]:
    """Return the factor of the loss of each projection."""
    return {projection: streams[names[0]].loss_weight for projection, names in by_projection(streams).items()}


def _default_first(groups: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return dict(sorted(groups.items(), key=lambda group: group[0] != _DEFAULT))
