"""Sources: one file per format that people bring."""

from clipbio.data.sources.base import Source, expected_total
from clipbio.data.sources.bioscan1m import Bioscan1mSource
from clipbio.data.sources.bioscan5m import Bioscan5mSource
from clipbio.data.sources.bold import BoldSource
from clipbio.data.sources.clibd import ClibdSource
from clipbio.data.sources.dwca import DwcaSource
from clipbio.data.sources.fasta import FastaSource
from clipbio.data.sources.folder import FolderSource
from clipbio.data.sources.gbif import GbifSource
from clipbio.data.sources.huggingface import HuggingfaceSource
from clipbio.data.sources.inaturalist import InaturalistSource
from clipbio.data.sources.insect import InsectSource
from clipbio.data.sources.table import TableSource
from clipbio.data.sources.virtual import VirtualSource
from clipbio.data.sources.webdataset import WebdatasetSource

__all__ = [
    "Bioscan1mSource",
    "Bioscan5mSource",
    "BoldSource",
    "ClibdSource",
    "DwcaSource",
    "FastaSource",
    "FolderSource",
    "GbifSource",
    "HuggingfaceSource",
    "InaturalistSource",
    "InsectSource",
    "Source",
    "TableSource",
    "VirtualSource",
    "WebdatasetSource",
    "expected_total",
]
