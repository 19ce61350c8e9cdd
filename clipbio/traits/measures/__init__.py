"""Sizes and counts in descriptions, in English and French."""

from clipbio.traits.measures.finding import find_counts, find_measures
from clipbio.traits.measures.measure import Count, Dimension, Measure

__all__ = ["Count", "Dimension", "Measure", "find_counts", "find_measures"]
