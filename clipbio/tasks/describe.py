"""`python -m clipbio describe`: which characters pictures show, as a sentence, a table or a file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import Tensor

from clipbio.characters.console import show
from clipbio.characters.described import PictureDescriber
from clipbio.characters.folder import DESCRIBER, save_describer
from clipbio.characters.measurements import method_of
from clipbio.characters.writing import checked_suffix, open_writer
from clipbio.data.batch import Skipped
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.models import MultiTower, generate
from clipbio.progress import progress_bar
from clipbio.tasks.asked import flag, new_file, new_folder, whole_number
from clipbio.tasks.building import device_of
from clipbio.tasks.describers import describer_of
from clipbio.tasks.loading import load_model
from clipbio.tasks.predict import tell_skipped
from clipbio.tasks.predict_sources import VectorSource, picture_vectors

__all__ = ["describe"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]

_SHOWN_PICTURES = 20


def describe(config: Config) -> None:
    """Tell the characters of pictures.

    Args:
        config: Plain resolved config of `conf/describe.yaml`.
    """
    out, overwrite = new_file(config, checked_suffix), flag(config["overwrite"], "overwrite")
    save = None
    if config["save"] is not None:
        save = new_folder(config["save"], overwrite=overwrite, mark=DESCRIBER, key="save")
    elif not config["image"]:
        raise ClipbioError("nothing to describe: give image=FILE, or save=FOLDER to make a describer")
    device = device_of(str(config["trainer"]["accelerator"]), World())
    loaded = load_model(config)
    loaded.model.to(device)
    caption = _captions(config, loaded.model, out)
    describer = describer_of(config, loaded, device)
    if save is not None:
        save_describer(describer, save)
        log.info("%s written: %d characters", save, len(describer.characters))
    if config["image"]:
        asked = {**config, "images": config["image"], "projection": "default"}
        source = picture_vectors(asked, loaded.model, loaded.name, device, caption)
        _describe(config, PictureDescriber(describer, whole_number(config["nearest"], "nearest")), source, out)


def _describe(config: Config, described: PictureDescriber, source: VectorSource, out: Path | None) -> None:
    """Write or print what is told of all pictures."""
    skipped: list[Skipped] = []
    console, printed = Console(), 0
    with ExitStack() as stack:
        writer = None if out is None else stack.enter_context(open_writer(out, method_of(described.describer.facts)))
        bar = stack.enter_context(progress_bar(enabled=out is not None))
        task = bar.add_task("pictures", total=source.count)
        for batch in source.batches():
            found = described.of(batch.names, batch.vectors_BD.cpu().numpy(), batch.captions)
            if writer is not None:
                writer.write(found)
            for one in found if writer is None else ():
                if printed < _SHOWN_PICTURES:
                    show(one, console)
                printed += 1
            skipped += batch.skipped
            bar.advance(task, len(batch.names) + len(batch.skipped))
    if out is not None:
        log.info("%s written: %s pictures", out, f"{source.count - len(skipped):,}")
    elif printed > _SHOWN_PICTURES:
        console.print(f"{printed - _SHOWN_PICTURES:,} pictures more: give out=FILE.csv")
    tell_skipped(skipped, source.count)


def _captions(config: Config, model: MultiTower, out: Path | None) -> Callable[[Tensor], list[str]] | None:
    """Return what writes captions, where they are asked for."""
    if not flag(config["generate"], "generate"):
        return None
    if model.decoder is None:
        raise ClipbioError("generate=true: the model has no caption decoder; train one by experiment=captioning")
    if out is not None and out.suffix != ".jsonl":
        raise ClipbioError(f"generate=true: captions stand in out=FILE.jsonl, and {out.name} has no place for them")
    beams, most = (whole_number(config[name], name) for name in ("beams", "max_words"))
    return lambda pixels_BCHW: generate(model, pixels_BCHW, beams=beams, max_words=most)
