"""With what a run was made and what it took: code, packages, machine, time and energy."""

from clipbio.provenance.facts import provenance

__all__ = ["provenance"]
