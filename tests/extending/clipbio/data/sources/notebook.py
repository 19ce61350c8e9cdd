"""Field notebooks: a file of JSON lines, one object with `number`, `photo`, `name` and `notes` per find."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from clipbio.data.defects import Defects
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon

__all__ = ["NotebookSource"]


class NotebookSource:
    """Read `notebook.jsonl`.

    Args:
        root: Folder of the notebook and its photos.
    """

    def __init__(self, root: str | Path) -> None:
        self.file = Path(root) / "notebook.jsonl"
        self.defects = Defects()
        if not self.file.is_file():
            raise ClipbioError(f"{self.file} is missing: give the folder of a notebook as source.root")

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        with self.file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                find = json.loads(line)
                photo = self.file.parent / find["photo"]
                if not photo.is_file():
                    # Lost records are counted and named, never passed over.
                    self.defects.add("missing photo", f"{self.file}:{number}", f"there is no {photo.name}")
                    continue
                genus, _, epithet = find["name"].partition(" ")
                yield Specimen(
                    id=str(find["number"]),
                    taxon=Taxon.from_mapping({"genus": genus, "species": epithet}),
                    image=photo,
                    descriptions=(find["notes"],) if find["notes"] else (),
                )

    def species_texts(self) -> Iterable[SpeciesText]:
        """Give nothing: notes belong to finds."""
        return ()

    def fingerprint(self) -> str:
        """Hash the notebook; its photos do not change."""
        return hashlib.blake2b(self.file.read_bytes(), digest_size=16).hexdigest()
