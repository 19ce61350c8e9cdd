"""Sources: one file per format that people bring."""

from clipbio.data.sources.awa2 import Awa2Source
from clipbio.data.sources.base import Source, expected_total
from clipbio.data.sources.bioclip_csv import BioclipCsvSource
from clipbio.data.sources.bioscan1m import Bioscan1mSource
from clipbio.data.sources.bioscan5m import Bioscan5mSource
from clipbio.data.sources.bold import BoldSource
from clipbio.data.sources.clibd import ClibdSource
from clipbio.data.sources.cub import CubSource
from clipbio.data.sources.dwca import DwcaSource
from clipbio.data.sources.fasta import FastaSource
from clipbio.data.sources.fishnet import FishnetSource
from clipbio.data.sources.folder import FolderSource
from clipbio.data.sources.gbif import GbifSource
from clipbio.data.sources.herbarium19 import Herbarium19Source
from clipbio.data.sources.huggingface import HuggingfaceSource
from clipbio.data.sources.inaturalist import InaturalistSource
from clipbio.data.sources.inquire import InquireSource
from clipbio.data.sources.insect import InsectSource
from clipbio.data.sources.newt import NewtSource
from clipbio.data.sources.table import TableSource
from clipbio.data.sources.virtual import VirtualSource
from clipbio.data.sources.webdataset import WebdatasetSource

__all__ = [
    "Awa2Source",
    "BioclipCsvSource",
    "Bioscan1mSource",
    "Bioscan5mSource",
    "BoldSource",
    "ClibdSource",
    "CubSource",
    "DwcaSource",
    "FastaSource",
    "FishnetSource",
    "FolderSource",
    "GbifSource",
    "Herbarium19Source",
    "HuggingfaceSource",
    "InaturalistSource",
    "InquireSource",
    "InsectSource",
    "NewtSource",
    "Source",
    "TableSource",
    "VirtualSource",
    "WebdatasetSource",
    "expected_total",
]
