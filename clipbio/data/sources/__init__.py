"""Sources: one file per format that people bring."""

from clipbio.data.sources.base import Source, expected_total
from clipbio.data.sources.table import TableSource

__all__ = ["Source", "TableSource", "expected_total"]
