"""COCO files of others as masks of a specimen table."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clipbio.data.masks import Mask
from clipbio.data.pictures import read_picture
from clipbio.data.roots import local_folder
from clipbio.data.sources.table import TableSource
from clipbio.data.species_texts import SpeciesTexts
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.organs.coco import CocoPicture, read_coco
from clipbio.progress import progress_bar
from clipbio.tasks.organs_writing import Masked, write_organs
from clipbio.taxonomy import Taxon

__all__ = ["import_coco"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]


def import_coco(config: Config) -> None:
    """Write a specimen table with the masks of a COCO file."""
    path = local_folder(str(config["annotations"]), "annotations")
    labels, pictures = read_coco(path)
    if config["table"] is None:
        folder = local_folder(str(config["images"]), "images") if config["images"] else path.parent / "images"
        write_organs(config, labels, SpeciesTexts(), _rows(config, pictures, folder))
        return
    source = TableSource(local_folder(str(config["table"]), "table"))
    texts = SpeciesTexts(source.species_texts())
    write_organs(config, labels, texts, _matched(config, source, _by_name(pictures)))


def _rows(config: Config, pictures: Sequence[CocoPicture], folder: Path) -> Iterator[Masked]:
    """Make a specimen of each picture, its id the name of the file without ending."""
    with progress_bar(enabled=bool(config["progress"])) as bar:
        for one in bar.track(pictures, description="import"):
            path = folder / _plain(one.file_name)
            if not path.is_file():
                raise ClipbioError(f"{path} is not there: give the folder of the pictures as images=")
            specimen = Specimen(id=path.stem, taxon=Taxon(), image=path.read_bytes(), label="")
            yield specimen, one.masks()


def _matched(config: Config, source: TableSource, pictures: Mapping[str, CocoPicture]) -> Iterator[Masked]:
    """Give the rows of a table the masks of the picture of their name; without one they keep none."""
    used: dict[str, Path] = {}
    with progress_bar(enabled=bool(config["progress"])) as bar:
        for specimen in bar.track(source, total=source.total, description="import"):
            if not isinstance(specimen.image, Path):
                continue
            masks: Mapping[str, Mask] = {}
            if (picture := pictures.get(specimen.image.name)) is not None:
                if (other := used.setdefault(specimen.image.name, specimen.image)) != specimen.image:
                    raise ClipbioError(
                        f"{other} and {specimen.image} have one name, by which the COCO file tells pictures: give them "
                        "different ones"
                    )
                masks = picture.masks()
            yield replace(specimen, image=read_picture(specimen.image), mask=None), masks
    if not used:
        raise ClipbioError(f"{source.root}: no row has a picture of the COCO file, such as {next(iter(pictures), '')}")
    if left := len(pictures) - len(used):
        log.warning("%d of %d annotated pictures are in no row of %s", left, len(pictures), source.root)


def _by_name(pictures: Sequence[CocoPicture]) -> dict[str, CocoPicture]:
    named = {_plain(one.file_name): one for one in pictures}
    if len(named) < len(pictures):
        raise ClipbioError("several pictures of the COCO file have one file name: they cannot be told apart")
    return named


def _plain(file_name: str) -> str:
    """Return the name of a file without folders: a COCO file leads nowhere else."""
    return file_name.replace("\\", "/").rpartition("/")[2]
