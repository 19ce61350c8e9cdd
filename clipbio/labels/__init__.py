"""Label sets: a list of taxa, what they are called, and the vector of each, in one versioned folder."""

from clipbio.data.sources.taxa import read_taxa
from clipbio.labels.label_set import LabelSet
from clipbio.labels.writing import LabelStyle, write_label_set

__all__ = ["LabelSet", "LabelStyle", "read_taxa", "write_label_set"]
