"""A describer as a folder: `describer.json` and `vectors.safetensors`.

Shape suffixes: S states of one character, D dimensions, T texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from clipbio.characters.calibration import Calibration
from clipbio.characters.describer import Array, Describer, Scored, Thresholds, Written
from clipbio.characters.table import Character
from clipbio.errors import ClipbioError
from clipbio.files import file_hash, read_json, whole_folder, write_json
from clipbio.tensor_files import VectorFile, map_tensors

__all__ = ["DESCRIBER", "check_towers", "load_describer", "save_describer"]

SCHEMA = 1
DESCRIBER, VECTORS = "describer.json", "vectors.safetensors"
_AGAIN = "make the describer again"


def save_describer(describer: Describer, folder: Path) -> None:
    """Write a describer, whole or not at all; what stands in the folder is replaced."""
    with whole_folder(folder) as work:
        with VectorFile(work / VECTORS) as file:
            for one in describer.characters:
                file.add(one.vectors_SD)
            file.put("written", np.asarray(describer.written_TD, np.float32))
        thresholds = describer.thresholds
        write_json(
            work / DESCRIBER,
            {
                "schema": SCHEMA,
                "facts": dict(describer.facts),
                "thresholds": {name: getattr(thresholds, name) for name in ("answer", "supported", "contradicted")},
                "characters": [_character(one) for one in describer.characters],
                "written": [[one.species, one.text] for one in describer.written],
                "vectors_sha256": file_hash(work / VECTORS),
            },
        )


def load_describer(folder: str | Path) -> Describer:
    """Read a describer.

    Raises:
        ClipbioError: The folder holds none, is damaged, or comes from a newer version.
    """
    place = Path(folder).expanduser()
    if not (place / DESCRIBER).is_file():
        raise ClipbioError(_no_describer(place))
    content = read_json(place / DESCRIBER)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        told = content.get("schema") if isinstance(content, dict) else None
        raise ClipbioError(f"{place / DESCRIBER} has schema {told}, this version reads {SCHEMA}: {_AGAIN}")
    if not (place / VECTORS).is_file() or file_hash(place / VECTORS) != content.get("vectors_sha256"):
        raise ClipbioError(f"{place / VECTORS} is not the one that was written; {_AGAIN}")
    try:
        return _read(content, map_tensors(place / VECTORS, _AGAIN))
    except (KeyError, TypeError, ValueError) as error:
        raise ClipbioError(f"{place / DESCRIBER} is damaged ({error!r}); {_AGAIN}") from error


def _no_describer(place: Path) -> str:
    """Return what stands in the place of a describer, and how to make one."""
    is_run = (place / "checkpoints").is_dir()
    if is_run:
        told = "is a run, not a describer"
    elif place.exists():
        told = f"is no describer (no {DESCRIBER} in it)"
    else:
        told = "is not there"
    making = f"python -m clipbio describe checkpoint={place if is_run else 'RUN'} save=FOLDER"
    return f"{place} {told}: make one with '{making}', then characters=FOLDER"


def check_towers(describer: Describer, towers: Mapping[str, str], what: str) -> None:
    """Refuse a model that is not the one that a describer was made with.

    Args:
        describer: What is to be used with it.
        towers: The hash of the weights of each tower by its name.
        what: What the model is called.

    Raises:
        ClipbioError: It is another one.
    """
    made = describer.facts.get("towers", {})
    for name in ("image", "text"):
        if made.get(name) != towers.get(name):
            raise ClipbioError(
                f"the describer was made with the {name} tower {made.get(name)} of {describer.facts.get('model')}; "
                f"that of {what} is {towers.get(name)}: {_AGAIN} for this model"
            )


def _character(one: Scored) -> dict[str, Any]:
    return {
        "name": one.character.name,
        "states": list(one.character.states),
        "species": list(one.character.species),
        "edges": list(one.character.edges),
        "captions": [list(ways) for ways in one.captions],
        "scale": one.calibration.scale,
        "offset": one.calibration.offset_S.tolist(),
        "bias": one.calibration.bias_S.tolist(),
        "prior": one.prior_S.tolist(),
        "gain": one.gain,
        "visible": one.visible,
    }


def _read(content: Mapping[str, Any], tensors: Mapping[str, Array]) -> Describer:
    rows = np.cumsum([0, *(len(one["states"]) for one in content["characters"])]).tolist()
    vectors, written = np.array(tensors["vectors"]), np.array(tensors["written"])
    if len(vectors) != rows[-1] or len(written) != len(content["written"]):
        raise ValueError("vectors and states do not go together")
    return Describer(
        tuple(
            _scored(one, vectors[first:last])
            for one, (first, last) in zip(content["characters"], pairwise(rows), strict=True)
        ),
        Thresholds(**content["thresholds"]),
        tuple(Written(str(species), str(text)) for species, text in content["written"]),
        written,
        content["facts"],
    )


def _scored(one: Mapping[str, Any], vectors_SD: Array) -> Scored:
    offset_S, bias_S, prior_S = (np.array(one[key], np.float64) for key in ("offset", "bias", "prior"))
    if not len(vectors_SD) == len(offset_S) == len(bias_S) == len(prior_S):
        raise ValueError(f"states of {one['name']} do not match")
    return Scored(
        Character(one["name"], tuple(one["states"]), tuple(one["species"]), tuple(one["edges"])),
        tuple(tuple(ways) for ways in one["captions"]),
        vectors_SD,
        Calibration(float(one["scale"]), offset_S, bias_S),
        prior_S,
        float(one["gain"]),
        bool(one["visible"]),
    )
