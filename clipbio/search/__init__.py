"""The search engine: an index of specimens and descriptions in one folder, and what is asked of it; never a model."""

from clipbio.search.index import Index
from clipbio.search.query import Part, Query

__all__ = ["Index", "Part", "Query"]
