"""Embeddings that are given to an evaluation instead of a model, and those that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from clipbio.data.datamodule import SpecimenData
from clipbio.data.modalities import encodable
from clipbio.distributed import World, on_main
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText
from clipbio.evaluation.embedding_files import ABOUT, TEXTS, About, VectorWriter, clear, unfinished, vector_writer
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.given import GivenEmbeddings
from clipbio.evaluation.joining import Joiner
from clipbio.features import key_of
from clipbio.models import MultiTower
from clipbio.tasks.asked import flag, new_folder, report_folder

__all__ = ["SavedEmbeddings", "check_weights", "embedding_folder", "given_embeddings", "given_splits", "saving"]

Config = Mapping[str, Any]


def given_embeddings(config: Config) -> GivenEmbeddings | None:
    """Return the folder that `embeddings=` names."""
    folder = report_folder(config["embeddings"], "embeddings")
    return None if folder is None else GivenEmbeddings(folder)


def check_weights(given: GivenEmbeddings, model: MultiTower) -> None:
    """Refuse vectors of other weights than those of the model that is to encode the texts.

    Raises:
        ClipbioError: `embeddings.json` names other weights.
    """
    for name, told in dict(given.about.get("weights") or {}).items():
        if name in model.modalities and told != model.tower(name).vector_fingerprint():
            raise ClipbioError(
                f"embeddings={given.folder}: its {name} vectors were made by other weights than those of the model: "
                "give the model or run that made them, or none"
            )


def given_splits(
    data: SpecimenData, names: Sequence[str], given: GivenEmbeddings, called: Callable[[str], str]
) -> dict[str, SplitData]:
    """Return splits ready for benchmarks with the vectors of a folder.

    Args:
        data: What holds the splits.
        names: Splits.
        given: Vectors.
        called: What the file of a split is called.

    Raises:
        ClipbioError: Files and data do not go together.
    """
    join = Joiner(list(data.splits.values()))
    found = {}
    for name in names:
        split = data.split(name)
        due = encodable(split, given.modalities)
        vectors = given.gathered(split, called(name), encodable=due, max_skipped_share=data.max_skipped_share)
        found[name] = join(split, vectors)
    return found


class SavedEmbeddings:
    """Vectors of an evaluation on their way into a folder.

    Args:
        folder: The folder.
        about: What is known about them.
    """

    def __init__(self, folder: Path, about: About) -> None:
        self.folder, self.about = folder, about
        self._stack = ExitStack()
        self._texts: VectorWriter | None = None
        self._known: set[bytes] = set()

    def __enter__(self) -> SavedEmbeddings:
        clear(self.folder)
        self.about.write(self.folder)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
        if error[0] is None:
            self.about.finished = True
            self.about.write(self.folder)

    def add(self, name: str, data: SplitData, identity: Mapping[str, Any]) -> None:
        """Write the vectors of a split."""
        specimens = data.specimens
        if specimens is None:
            return
        widths = {key: int(one.shape[1]) for key, one in specimens.vectors.items()}
        vectors = {key: (specimens.present[key].numpy(), one.numpy()) for key, one in specimens.vectors.items()}
        with vector_writer(self.folder, name, widths=widths) as writer:
            writer.add(specimens.ids, vectors)
        self.about.dims |= widths
        lost = {id_: why for id_, why in data.unreadable.items() if id_ not in {*specimens.ids}}
        self.about.add(name, writer, identity=identity, skipped=lost)

    def texts(self, encode_text: EncodeText) -> EncodeText:
        """Return a function that writes each text that it is asked for, once."""

        def encode(texts: Sequence[str]) -> Tensor:
            vectors_TD = encode_text(texts)
            new = {key: row for row, text in enumerate(texts) if (key := key_of(text)) not in self._known}
            if new:
                self._known |= set(new)
                rows = list(new.values())
                chosen_TD = vectors_TD[rows].float().cpu().numpy()
                if self._texts is None:
                    stem, width = Path(TEXTS).stem, int(chosen_TD.shape[1])
                    writer = vector_writer(self.folder, stem, widths={"vector": width}, key="text")
                    self._texts = self._stack.enter_context(writer)
                self._texts.add([texts[row] for row in rows], {"vector": (np.ones(len(rows), bool), chosen_TD)})
            return vectors_TD

        return encode


def embedding_folder(given: Any, *, overwrite: bool, key: str = "out") -> Path:
    """Return the folder that vectors are to be written to; one that was begun and not finished is gone on with.

    Raises:
        ClipbioError: Something else is there.
    """
    folder = report_folder(given, key)
    again = overwrite or (folder is not None and unfinished(folder))
    return new_folder(given, overwrite=again, mark=ABOUT, key=key)


@contextmanager
def saving(config: Config, world: World, model: str) -> Iterator[SavedEmbeddings | None]:
    """Give what `save_embeddings=` asks for, to the main process alone.

    Raises:
        ClipbioError: Something else is there; on all processes.
    """
    if config["save_embeddings"] is None:
        yield None
        return
    given, overwrite = config["save_embeddings"], flag(config["overwrite"], "overwrite")
    folder = on_main(world, lambda: embedding_folder(given, overwrite=overwrite, key="save_embeddings"))
    if not world.is_main:
        yield None
        return
    with SavedEmbeddings(folder, About({}, normalised=True, model=model)) as saved:
        yield saved
