"""Characters and their states: read off images, and evidence of images for what is written."""

from clipbio.characters.describer import Describer, Prediction
from clipbio.characters.evidence import Evidence, evidence
from clipbio.characters.folder import load_describer, save_describer
from clipbio.characters.making import make_describer
from clipbio.characters.sentence import sentence
from clipbio.characters.statements import Statement
from clipbio.characters.table import Character, CharacterTable

__all__ = [
    "Character",
    "CharacterTable",
    "Describer",
    "Evidence",
    "Prediction",
    "Statement",
    "evidence",
    "load_describer",
    "make_describer",
    "save_describer",
    "sentence",
]
