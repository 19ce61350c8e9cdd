"""The answers that `predict` may give: a label set that is given, or one that is made once and kept."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText
from clipbio.evaluation.store import hash_of
from clipbio.labels import LabelSet, LabelStyle, write_label_set
from clipbio.tasks.labels import taxa_of, text_encoder
from clipbio.tasks.loading import LoadedModel
from clipbio.taxonomy import Taxon
from clipbio.text import Named

__all__ = ["label_set", "own_names"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]

_CHOICES = ("labels", "taxa", "names", "data")


def label_set(config: Config, loaded: LoadedModel | None) -> LabelSet:
    """Return the label set that a config asks for.

    Args:
        config: Plain resolved config of `conf/predict.yaml`.
        loaded: The model; None where vectors of pictures are given, and labels too.

    Raises:
        ClipbioError: Several are asked for, none can be had, or the label set belongs to another model.
    """
    given = [name for name in _CHOICES if config.get(name) is not None]
    if len(given) > 1:
        raise ClipbioError(f"{' and '.join(f'{name}=' for name in given)}: give one kind of answers")
    tower = loaded.model.tower("text") if loaded is not None and "text" in loaded.model.modalities else None
    encode_text = None if tower is None else text_encoder(tower, str(config["projection"]))
    if given == ["labels"]:
        labels = LabelSet.load(str(config["labels"]))
        if encode_text is not None and loaded is not None:
            labels.check(encode_text, loaded.name)
        return labels
    if loaded is None or tower is None or encode_text is None:
        what = "without a model nothing" if loaded is None else f"{loaded.name} has no text tower, nothing"
        raise ClipbioError(f"{what} can encode names: give labels=FOLDER")
    return _made(config, loaded, encode_text, tower.vector_fingerprint(str(config["projection"])))


def _made(config: Config, loaded: LoadedModel, encode_text: EncodeText, identity: str) -> LabelSet:
    things, source, style = _things(config, loaded)
    key = hash_of({"text_tower": identity, "style": style.facts, "source": source})
    folder = Path(str(config["cache_dir"])).expanduser() / "labels" / key
    if folder.is_dir():
        try:
            return LabelSet.load(folder)
        except ClipbioError as error:
            log.warning("%s; it is made again", error)
    made = {"model": loaded.name, "text_tower": identity, "projection": str(config["projection"]), "source": source}
    return write_label_set(folder, things, encode_text, style=style, made=made)


def _things(config: Config, loaded: LoadedModel) -> tuple[Iterable[Named], dict[str, Any], LabelStyle]:
    if config["names"] is not None:
        names = own_names(config["names"])
        things = [Specimen(id=name, taxon=Taxon(), label=name) for name in names]
        return things, {"names": names}, LabelStyle("label", config["template"], config["missing_ranks"])
    things_of, source = taxa_of(config, loaded)
    return things_of, source, LabelStyle(config["text_type"], config["template"], config["missing_ranks"])


def own_names(given: str | Sequence[Any]) -> list[str]:
    """Return labels as they are given: a list, or a text file with one on each line."""
    if isinstance(given, str):
        path = Path(given).expanduser()
        if not path.is_file():
            raise ClipbioError(f"names={given}: there is no such file; a list is given as 'names=[oak,beech]'")
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ClipbioError(f"names={given} is not a text file in UTF-8") from error
    else:
        lines = [str(one) for one in given]
    names = list(dict.fromkeys(name for line in lines if (name := line.strip())))
    if not names:
        raise ClipbioError(f"names={given} is empty: give at least one label")
    return names
