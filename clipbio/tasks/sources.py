"""The source that a command reads: one, or several merged, under a splitting scheme."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from clipbio.config import config_dir, config_groups, instantiate
from clipbio.data.barcodes import SoundBarcodes
from clipbio.data.merging import LentBarcodes, MergedSource, MergeSettings
from clipbio.data.roots import refuse_programs
from clipbio.data.sources import Source
from clipbio.data.splitting import Keep, SplitSource
from clipbio.dna import BarcodeRules
from clipbio.errors import ClipbioError, nearest

__all__ = ["build_source", "named_source"]


def build_source(config: Mapping[str, Any]) -> Source:
    """Return the source that a config describes.

    Args:
        config: Plain resolved config with the part `source`, or `sources` and `merge`; and optionally the scheme
            `split` and the rules `barcodes`.
    """
    source = _merged(config) if config.get("sources") else _single(config)
    rules = BarcodeRules(**config.get("barcodes") or {})
    if not rules.reject_nothing:
        # Before the split: a scheme that parts by barcode must not see those that go.
        source = SoundBarcodes(source, rules)
    scheme = instantiate(config["split"], "split") if config.get("split") else Keep()
    source = source if isinstance(scheme, Keep) else SplitSource(source, scheme)
    # After the split: a barcode is lent within one.
    return LentBarcodes(source) if MergeSettings.of(config.get("merge") or {}).lend_barcodes else source


def _single(config: Mapping[str, Any]) -> Source:
    if MergeSettings.of(config.get("merge") or {}) != MergeSettings():
        raise ClipbioError("merge.* is about several sources; write 'sources={NAME: {format: table, root: FOLDER}}'")
    if not config.get("source"):
        raise ClipbioError("there is no source; give source=table source.root=FOLDER, or sources=")
    refuse_programs(config["source"], "source")
    source: Source = instantiate(config["source"], "source")
    return source


def _merged(config: Mapping[str, Any]) -> MergedSource:
    sources = config["sources"]
    if not isinstance(sources, Mapping):
        raise ClipbioError(f"sources={sources} is no mapping; write 'sources={{NAME: {{format: table, root: ...}}}}'")
    settings = MergeSettings.of(config.get("merge") or {})
    return MergedSource({str(name): _named(str(name), values) for name, values in sources.items()}, settings)


def _named(name: str, values: Any) -> Source:
    if values is not None and not isinstance(values, Mapping):
        raise ClipbioError(f"sources.{name}={values} is no mapping; write {{format: table, root: FOLDER}}")
    return named_source({"format": name, **(values or {})}, f"sources.{name}", given="format" in (values or {}))


def named_source(values: Mapping[str, Any], where: str, *, given: bool = True) -> Source:
    """Return a source by the choice of `source=` that it names as its `format`, with its settings.

    Args:
        values: `format` and settings; those left out are as shipped.
        where: Where they stand, for messages.
        given: Whether the format was given, not only taken from the name.
    """
    settings = dict(values)
    choice, choices = str(settings.pop("format", "")), config_groups()["source"]
    if choice not in choices:
        told = f"{where}.format" if given else f"{where}: format"
        raise ClipbioError(f"{told}={choice}: there is no such choice{nearest(choice, choices)}")
    shipped = OmegaConf.to_container(OmegaConf.load(config_dir() / "source" / f"{choice}.yaml"))
    assert isinstance(shipped, dict)
    settings = {str(key): value for key, value in shipped.items()} | settings
    for key, value in settings.items():
        if value == "???":
            raise ClipbioError(f"{where}.{key} is missing; give {where}.{key}=...")
    refuse_programs(settings, where)
    source: Source = instantiate(settings, where)
    return source
