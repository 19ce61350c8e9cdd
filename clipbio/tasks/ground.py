"""`python -m clipbio ground`: where on a picture words are, as pictures with a heat map, peaks and boxes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from clipbio.data.pictures import read_picture
from clipbio.data.roots import local_folder
from clipbio.data.specimen import Specimen
from clipbio.distributed import World
from clipbio.errors import ClipbioError, nearest
from clipbio.files import write_json
from clipbio.grounding.drawing import overlay
from clipbio.grounding.grounder import Grounder, opened
from clipbio.grounding.heat import Heat
from clipbio.grounding.spans import Span, spans_of
from clipbio.tasks.asked import flag, whole_number
from clipbio.tasks.building import device_of
from clipbio.tasks.loading import LoadedModel, load_model
from clipbio.tasks.parts import build_data

__all__ = ["ground"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]
_LARGEST_PICTURE = 64 * 2**20


def ground(config: Config) -> None:
    """Look for words on a picture and write or print where they are.

    Args:
        config: Plain resolved config of `conf/ground.yaml`.
    """
    out = _out(config)
    if (config["image"] is None) == (config["specimen"] is None):
        raise ClipbioError("give image=FILE, or specimen=ID of the data, one of them")
    queries = _listed(config["query"], "query")
    loaded = load_model(config)
    specimen = None if config["specimen"] is None else _specimen(config, loaded)
    picture = opened(_read(str(config["image"])) if specimen is None else read_picture(specimen.image))
    spans = _spans(config["description"], specimen)
    texts = list(dict.fromkeys([*queries, *(span.query for span in spans)]))
    if not texts:
        raise ClipbioError("nothing to look for: give query='red flowers', or description= with phrases about organs")
    grounder = _grounder(config, loaded)
    heat = grounder.heat(
        picture, texts, distractors=_listed(config["distractors"], "distractors"), template=config["template"]
    )
    if out is None:
        Console().print(_table(heat))
        return
    side, box, peak = (
        whole_number(config["side"], "side"),
        flag(config["box"], "box"),
        flag(config["peak"], "peak"),
    )
    files = _files(out, len(texts))
    for number, file in enumerate(files):
        file.write_bytes(overlay(picture, heat, number, side=side, box=box, peak=peak))
    write_json(out.with_suffix(".json"), _facts(config, loaded, heat, files, spans))
    log.info("%s written, by %s and %s", ", ".join(str(file) for file in files), heat.method, heat.scoring)


def _grounder(config: Config, loaded: LoadedModel) -> Grounder:
    model = loaded.model.to(device_of(str(config["trainer"]["accelerator"]), World())).eval()
    size = config["image_size"]
    return Grounder(
        model,
        method=str(config["method"]),
        scoring=str(config["scoring"]),
        temperature=float(config["temperature"]),
        image_size=None if size is None else whole_number(size, "image_size"),
        tiles=whole_number(config["tiles"], "tiles"),
        levels=whole_number(config["levels"], "levels"),
        projection=str(config["projection"]),
    )


def _specimen(config: Config, loaded: LoadedModel) -> Specimen:
    """Return a specimen with its picture, from whichever split it stands in."""
    data_config = config.get("data") or loaded.config.get("data")
    if data_config is None:
        raise ClipbioError("specimen= needs data: give data=table data.root=FOLDER")
    data, wanted = build_data({**config, "data": data_config}, World()), str(config["specimen"])
    for split in data.splits.values():
        for row in split.rows.tolist():
            if split.index.ids[row] == wanted:
                return split.index.read(row)
    some = [split.index.ids[int(row)] for split in data.splits.values() for row in split.rows[:1000]]
    raise ClipbioError(f"{data.folder.name} has no specimen '{wanted}'{nearest(wanted, some)}")


def _spans(given: Any, specimen: Specimen | None) -> tuple[Span, ...]:
    if given in (None, False):
        return ()
    if given is not True:
        return spans_of(str(given))
    if specimen is None or not specimen.descriptions:
        raise ClipbioError("description=true: there is no specimen with a description; give its text")
    return spans_of(specimen.descriptions[0])


def _read(name: str) -> bytes:
    path = local_folder(name, "image")
    try:
        if path.stat().st_size > _LARGEST_PICTURE:
            raise ClipbioError(f"image={name} has more than {_LARGEST_PICTURE // 2**20} MiB: make it smaller")
        return path.read_bytes()
    except OSError as error:
        raise ClipbioError(f"image={name} cannot be read: {error.strerror or error}") from error


def _listed(given: Any, key: str) -> list[str]:
    if given is None:
        return []
    if isinstance(given, Mapping):
        raise ClipbioError(f"{key}={given} must be words or a list of them")
    return [str(one) for one in (given if isinstance(given, list) else [given])]


def _out(config: Config) -> Path | None:
    if config["out"] is None:
        return None
    out = local_folder(str(config["out"]), "out")
    if out.suffix.lower() != ".png":
        raise ClipbioError(f"out={out} must end in .png")
    taken = [path for path in (out, out.with_suffix(".json"), _numbered(out, 0)) if path.exists()]
    if taken and not flag(config["overwrite"], "overwrite"):
        raise ClipbioError(f"{taken[0]} exists: give another out=, or overwrite=true")
    out.parent.mkdir(parents=True, exist_ok=True)
    return out


def _files(out: Path, count: int) -> list[Path]:
    return [out] if count == 1 else [_numbered(out, number) for number in range(count)]


def _numbered(out: Path, number: int) -> Path:
    return out.with_stem(f"{out.stem}-{number + 1}")


def _facts(
    config: Config, loaded: LoadedModel, heat: Heat, files: Sequence[Path], spans: Sequence[Span]
) -> dict[str, Any]:
    found = {span.query: [span.start, span.end] for span in spans}
    return {
        "picture": {
            "source": str(config["image"] or config["specimen"]),
            "width": heat.size[0],
            "height": heat.size[1],
        },
        "model": {"name": loaded.name, "checkpoint": None if loaded.path is None else str(loaded.path)},
        "method": heat.method,
        "scoring": heat.scoring,
        "maps": [
            {**one, "file": file.name, **({"span": found[one["text"]]} if one["text"] in found else {})}
            for one, file in zip(heat.records(), files, strict=True)
        ],
    }


def _table(heat: Heat) -> Table:
    width, height = heat.size
    title = f"on {width} x {height} pixels, by {heat.method} and {heat.scoring}"
    table = Table("query", "heat", "peak", "box", title=title, title_justify="left")
    for number, text in enumerate(heat.texts):
        peak, box = heat.peak(number), heat.box(number)
        places = [f"{peak.x:.0f}, {peak.y:.0f}", ", ".join(f"{side:.0f}" for side in box)]
        table.add_row(text, f"{peak.heat:.2f}", *places)
    return table
