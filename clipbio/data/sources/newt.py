"""NeWT: 164 binary questions about pictures, all in one CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clipbio.data.sources.cells import text
from clipbio.data.sources.published_set import PublishedSet, known_file
from clipbio.data.sources.tabular import TabularFile
from clipbio.data.specimen import Specimen
from clipbio.taxonomy import Taxon

__all__ = ["NewtSource"]

_TABLE = "newt2021_labels.csv"
_COLUMNS = ("id", "task", "task_cluster", "label", "text_label", "split")


class NewtSource(PublishedSet):
    """Read NeWT: one specimen per row, called `TASK/ID`; what it is asked stands in the metadata.

    The metadata are `newt_task`, `newt_cluster`, `newt_subcluster` (absent where there is none), `newt_label` (0, 1).

    Source: Van Horn et al. 2021, arXiv:2103.16483.

    Args:
        root: Folder with `newt2021_labels.csv` and the folder `newt2021_images`.
    """

    def __init__(self, root: str | Path) -> None:
        path = known_file(root, _TABLE)
        super().__init__(root, [path])
        self._table = TabularFile(path, required=_COLUMNS)

    def records(self) -> Iterator[tuple[str, Specimen]]:
        """Yield one record per row."""
        for number, cells in self._table.rows(self.defects):
            where = self._table.where(number)
            task, name, split = text(cells["task"]), text(cells["id"]), text(cells["split"])
            if not task or not name or split not in ("train", "test") or text(cells["label"]) not in ("0", "1"):
                message = "needs id, task, a split (train or test) and a label (0 or 1)"
                self.defects.add("unusable_row", where, message)
                continue
            facts = {
                "newt_task": task,
                "newt_cluster": text(cells["task_cluster"]),
                "newt_subcluster": text(cells.get("task_subcluster")),
            }
            yield (
                where,
                Specimen(
                    id=f"{task}/{name}",
                    taxon=Taxon(),
                    image=self.root / "newt2021_images" / f"{name}.jpg",
                    label=str(cells["text_label"]).strip(),
                    split=split,
                    metadata={key: told for key, told in facts.items() if told} | {"newt_label": int(cells["label"])},
                ),
            )
