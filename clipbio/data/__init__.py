"""From sources to batches: specimens, shards, streams."""

from clipbio.data.datamodule import SpecimenData, SplitRows, Stream
from clipbio.data.specimen import SpeciesText, Specimen

__all__ = ["SpeciesText", "Specimen", "SpecimenData", "SplitRows", "Stream"]
