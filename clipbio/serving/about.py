"""Which index and model a server answers with; no folder or file of its machine is told."""

from __future__ import annotations

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
    found: dict[str, Any] = plain({key: manifest[key] for key in _KEYS})
    return found | {
        "asked_by": sorted(encoder.modalities) if encoder else [],
        "descriptions": int(manifest["texts"]["descriptions"]),
        "sentences": int(manifest["texts"]["sentences"]),
        "model": str(manifest["model"]["name"]),
        "weights": dict(manifest["model"]["weights"]),
        "ann": None if manifest["ann"] is None else {"kind": manifest["ann"]["kind"]},
        "limits": asdict(service.limits),
    }
