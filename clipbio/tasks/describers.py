"""The describer of a model: one that was saved, or one that is made of the data of its run and kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import torch

from clipbio.characters.benchmark import CALIBRATION
from clipbio.characters.describer import Describer
from clipbio.characters.folder import check_towers, load_describer, save_describer
from clipbio.characters.known import known_images, known_species, written_of
from clipbio.characters.making import make_describer
from clipbio.characters.table import CharacterTable
from clipbio.data.datamodule import SpecimenData
from clipbio.data.specimen import Specimen
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText
from clipbio.evaluation.embeddings import Candidates
from clipbio.evaluation.store import hash_of
from clipbio.models import MultiTower
from clipbio.tasks.asked import whole_number
from clipbio.tasks.embedding_identity import identity_of
from clipbio.tasks.embeddings import embed_splits, embedding_cache
from clipbio.tasks.loading import LoadedModel
from clipbio.tasks.parts import build_cache, build_data
from clipbio.training.inputs import connect

__all__ = ["describer_of", "towers_of"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]

_TRAIN = "train"
_SETTINGS = ("columns", "min_species", "bins", "accuracy", "seed")
# To be raised when the same model and data begin to give another describer.
_VERSION = 1


def towers_of(model: MultiTower) -> dict[str, str]:
    """Return the hash of the weights of the towers that a describer needs.

    Raises:
        ClipbioError: The model lacks one.
    """
    for name in ("image", "text"):
        if name not in model.modalities:
            raise ClipbioError(f"the model has no {name} tower: characters are read off images by captions")
    return {name: model.tower(name).vector_fingerprint() for name in ("image", "text")}


def describer_of(config: Config, loaded: LoadedModel, device: torch.device) -> Describer:
    """Return the describer that a config asks for.

    Args:
        config: Plain resolved config of `conf/describe.yaml`.
        loaded: The model, on `device`.
        device: Where it runs.

    Raises:
        ClipbioError: It belongs to another model, or the data do not allow one.
    """
    towers = towers_of(loaded.model)
    if config["characters"] is not None:
        describer = load_describer(str(config["characters"]))
        check_towers(describer, towers, loaded.name)
        return describer
    settings = {"data": config.get("data") or loaded.config.get("data")}
    if settings["data"] is None:
        raise ClipbioError("no characters: give characters=FOLDER, or data= with the splits train and val")
    data = build_data(settings, World())
    if _TRAIN not in data.splits or not any(split in data.splits for split in CALIBRATION):
        raise ClipbioError(
            f"{data.folder.name} has the splits {', '.join(data.splits)}: characters are those of '{_TRAIN}', and "
            f"'{CALIBRATION[0]}' calibrates them; give data= that have both, or characters=FOLDER"
        )
    encode_text = connect(
        loaded.model, data, cache=build_cache(config), augmentation=None, splits=(), world=World(), device=device
    )
    key = _key(config, loaded.model, data, towers)
    folder = Path(str(config["cache_dir"])).expanduser() / "describers" / key
    if folder.is_dir():
        try:
            return load_describer(folder)
        except ClipbioError as error:
            log.warning("%s; it is made again", error)
    describer = _made(config, loaded, data, encode_text, towers, device)
    save_describer(describer, folder)
    return describer


def _key(config: Config, model: MultiTower, data: SpecimenData, towers: Mapping[str, str]) -> str:
    """Return a hash of all that a describer is made of; `val` may be carved out of `train` in more than one way."""
    splits = [data.split(name) for name in (_TRAIN, *CALIBRATION) if name in data.splits]
    return hash_of(
        {
            "version": _VERSION,
            "towers": towers,
            "rows": {one.name: one.rows.tolist() for one in splits},
            "vectors": {one.name: identity_of(model, data, one) for one in splits if one.name != _TRAIN},
            **{name: config[name] for name in _SETTINGS},
        }
    )


def _made(
    config: Config,
    loaded: LoadedModel,
    data: SpecimenData,
    encode_text: EncodeText,
    towers: Mapping[str, str],
    device: torch.device,
) -> Describer:
    train = data.split(_TRAIN)
    specimens: list[Specimen] = [train.index.read(int(row), image=False) for row in train.rows]
    species, columns = Candidates.from_named(specimens), config["columns"]
    table = CharacterTable.build(
        known_species(species if columns is None else specimens, columns),
        min_species=whole_number(config["min_species"], "min_species"),
        bins=whole_number(config["bins"], "bins"),
    )
    splits = [split for split in CALIBRATION if split in data.splits]
    found = embed_splits(loaded.model, data, splits, device=device, cache=embedding_cache(config))
    images = reduce(add, [known_images(one, table, columns) for one in found.values()])
    log.info("%d characters of %d species, calibrated on %d images", len(table), len(species), len(images))
    return make_describer(
        table,
        images,
        encode_text,
        accuracy=float(config["accuracy"]),
        written=written_of(species),
        facts={
            "model": loaded.name,
            "towers": dict(towers),
            "data": data.folder.name,
            "manifest": data.folder.manifest.hash,
            "splits": splits,
            "left_out": dict(table.left_out),
        },
        seed=whole_number(config["seed"], "seed"),
    )
