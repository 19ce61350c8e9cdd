"""Splits as data: schemes that give each record of a source its split."""

from clipbio.data.splitting.bioscan5m import Bioscan5M
from clipbio.data.splitting.hashed import Hashed
from clipbio.data.splitting.held_out import HeldOut
from clipbio.data.splitting.scheme import PUBLISHED, Assignment, Keep, LeftOut, Scheme
from clipbio.data.splitting.source import SplitSource
from clipbio.data.splitting.table import SplitTable

__all__ = [
    "PUBLISHED",
    "Assignment",
    "Bioscan5M",
    "Hashed",
    "HeldOut",
    "Keep",
    "LeftOut",
    "Scheme",
    "SplitSource",
    "SplitTable",
]
