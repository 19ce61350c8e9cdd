"""Sources: one file per format that people bring."""

from clipbio.data.sources.base import Source, expected_total
from clipbio.data.sources.table import TableSource
from clipbio.data.sources.virtual import VirtualSource

__all__ = ["Source", "TableSource", "VirtualSource", "expected_total"]
