"""The source that a command reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipbio.config import instantiate
from clipbio.data.sources import Source

__all__ = ["build_source"]


def build_source(config: Mapping[str, Any]) -> Source:
    """Return the source that a config describes.

    Args:
        config: Plain resolved config with the part `source`.
    """
    source: Source = instantiate(config["source"], "source")
    return source
