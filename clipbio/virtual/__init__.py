"""The virtual herbarium: invented plants that evolve along a tree, drawn as sheets and described in words."""

from clipbio.virtual.canvas import PARTS
from clipbio.virtual.herbarium import Sheet, VirtualHerbarium
from clipbio.virtual.tree import Species

__all__ = ["PARTS", "Sheet", "Species", "VirtualHerbarium"]
