"""Which index and model a server answers with; no folder or file of its machine is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from clipbio.serving.answers import plain
from clipbio.serving.service import Service

__all__ = ["about"]

_KEYS = ("name", "rows", "alive", "created", "updated", "dim", "metric", "modalities", "language", "versions")


def about(service: Service) -> dict[str, Any]:
    """Return the facts of an index that anybody may see."""
    manifest = service.index.folder.manifest
    encoder = service.index.encoder
    texts: Mapping[str, Any] = manifest.texts.facts if manifest.texts else {}
    found: dict[str, Any] = {key: plain(getattr(manifest, key)) for key in _KEYS}
    return found | {
        "asked_by": sorted(encoder.modalities) if encoder else [],
        "descriptions": int(texts.get("descriptions", 0)),
        "sentences": int(texts.get("sentences", 0)),
        "traits": texts.get("traits"),
        "model": str(manifest.model.get("name", "")),
        "weights": {name: str(value) for name, value in manifest.model.get("weights", {}).items()},
        "ann": plain(manifest.ann.facts) if manifest.ann else None,
        "exact": service.exact or manifest.ann is None,
        "limits": asdict(service.limits),
    }
