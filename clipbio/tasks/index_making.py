"""Making an index of data and a model, and adding to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.search.languages import language
from clipbio.search.manifest import About
from clipbio.search.writing import IndexWriter
from clipbio.tasks.asked import flag, whole_number
from clipbio.tasks.index_adding import add, opened
from clipbio.tasks.index_ann import add_ann, asked_kind
from clipbio.tasks.index_model import check_same_model, model_facts, model_source
from clipbio.tasks.index_show import tell
from clipbio.tasks.loading import load_model

__all__ = ["append", "build"]

Config = Mapping[str, Any]


def build(config: Config, out: Path) -> None:
    """Make an index."""
    side = whole_number(config["pictures"], "pictures")
    if side < 0:
        raise ClipbioError(f"pictures={side} must be 0 or a number of pixels")
    name = str(config["name"] or out.resolve().name)
    language(str(config["language"]))
    kind = asked_kind(config["ann"])
    loaded = load_model(config)
    new = opened(config, loaded)
    about = About(
        name=name,
        model=model_facts(config, loaded, decoder=new.data.decoder, sheet_mask=new.data.sheet_mask),
        language=str(config["language"]),
        picture_size=side,
        versions=new.versions,
        traits=flag(config["traits"], "traits"),
    )
    with IndexWriter.create(out, about, overwrite=flag(config["overwrite"], "overwrite")) as writer:
        tell("built", out, add(writer, new, config, side=side), writer.manifest)
        add_ann(writer, kind)


def append(config: Config, out: Path) -> None:
    """Append to an index what it lacks, encoded by the model that made it."""
    kind = asked_kind(config["ann"])
    with IndexWriter.open(out) as writer:
        facts, side = writer.manifest.model, writer.manifest.picture_size
        loaded = load_model(model_source(facts, out, config))
        check_same_model(facts, out, loaded)
        new = opened(config, loaded)
        for key, before in facts["transform"].items():
            if (now := getattr(new.data, key)) != before:
                raise ClipbioError(f"{out} was made with data.{key}={before}, not {now}: its vectors would not compare")
        replaces = flag(config["replace"], "replace")
        tell("appended to", out, add(writer, new, config, side=side, replaces=replaces), writer.manifest)
        add_ann(writer, kind)
