"""Several sources become one set: names by a checklist, photos once, blocked species out."""

from clipbio.data.merging.settings import MergeSettings, NameFile
from clipbio.data.merging.source import MergedSource

__all__ = ["MergeSettings", "MergedSource", "NameFile"]
