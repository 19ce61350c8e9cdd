"""The source that a command reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipbio.config import instantiate
from clipbio.data.sources import Source
from clipbio.data.splitting import Keep, SplitSource

__all__ = ["build_source"]


def build_source(config: Mapping[str, Any]) -> Source:
    """Return the source that a config describes.

    Args:
        config: Plain resolved config with the part `source`, and optionally the scheme `split`.
    """
    source: Source = instantiate(config["source"], "source")
    scheme = instantiate(config["split"], "split") if config.get("split") else Keep()
    return source if isinstance(scheme, Keep) else SplitSource(source, scheme)
