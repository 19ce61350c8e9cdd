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

__all__ = ["build_source"]


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
    """Return one of several sources: the choice of `source=` that it names as its format, with its settings."""
    if values is not None and not isinstance(values, Mapping):
        raise ClipbioError(f"sources.{name}={values} is no mapping; write {{format: table, root: FOLDER}}")
    given = dict(values or {})
    choice, choices = str(given.pop("format", name)), config_groups()["source"]
    if choice not in choices:
        where = f"sources.{name}.format" if choice != name else f"sources.{name}: format"
        raise ClipbioError(f"{where}={choice}: there is no such choice{nearest(choice, choices)}")
    shipped = OmegaConf.to_container(OmegaConf.load(config_dir() / "source" / f"{choice}.yaml"))
    assert isinstance(shipped, dict)
    settings = {str(key): value for key, value in shipped.items()} | given
    for key, value in settings.items():
        if value == "???":
            raise ClipbioError(f"sources.{name}.{key} is missing; give sources.{name}.{key}=...")
    refuse_programs(settings, f"sources.{name}")
    source: Source = instantiate(settings, f"sources.{name}")
    return source
