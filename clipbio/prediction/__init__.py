"""Answers for single pictures: which taxon, label or bin, and how sure."""

from clipbio.prediction.answering import COLUMNS, Asked, answers
from clipbio.prediction.classes import Classes
from clipbio.prediction.groups import Groups, bins, label_groups, rank_groups
from clipbio.prediction.subset import subset_rows
from clipbio.prediction.writing import open_writer

__all__ = [
    "COLUMNS",
    "Asked",
    "Classes",
    "Groups",
    "answers",
    "bins",
    "label_groups",
    "open_writer",
    "rank_groups",
    "subset_rows",
]
