"""Several sources become one set: names by a checklist, photos once, blocked species out."""

from clipbio.data.merging.lending import BARCODE_FROM, LentBarcodes
from clipbio.data.merging.settings import MergeSettings, NameFile
from clipbio.data.merging.source import MergedSource

__all__ = ["BARCODE_FROM", "LentBarcodes", "MergeSettings", "MergedSource", "NameFile"]
