"""Several sources as one, as TreeOfLife-10M was made, without its faults."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from clipbio.data.defects import Defects
from clipbio.data.merging.blocking import BlockedImages, BlockedSpecies
from clipbio.data.merging.catalog import write_catalog
from clipbio.data.merging.checklist import Checklist
from clipbio.data.merging.deciding import Decisions, Drop, Rules, decide
from clipbio.data.merging.resolving import Resolver
from clipbio.data.merging.settings import MergeSettings
from clipbio.data.merging.texts import merged_texts
from clipbio.data.merging.vernacular import read_common_names
from clipbio.data.sources.base import Source
from clipbio.data.species_texts import SpeciesTexts, name_of
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError
from clipbio.files import file_hash, write_json
from clipbio.taxonomy import RANKS

__all__ = ["SUMMARY", "MergedSource"]

logger = logging.getLogger(__name__)

SUMMARY = "merge.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class MergedSource:
    """Records of several sources, source after source, with names that one checklist accepts.

    Ids become `NAME/id`, groups `NAME/group` if they are no URL, DOI or URN. What is kept is decided once, at the
    first iteration, by reading all records twice; each process that iterates decides alike.

    Args:
        sources: The sources by name; of two records of one photo the one of the earlier source is kept.
        settings: How names, blocked lists and photos are treated.
    """

    def __init__(self, sources: Mapping[str, Source], settings: MergeSettings | None = None) -> None:
        for name in sources:
            if not _NAME.fullmatch(name):
                raise ClipbioError(f"'{name}' cannot name a source; take letters, digits, '_', '.' and '-'")
        if not sources:
            raise ClipbioError("there is no source to merge; give 'sources={NAME: {format: table, root: FOLDER}}'")
        self.sources, self.settings = dict(sources), settings or MergeSettings()
        self.defects = Defects()

    def __iter__(self) -> Iterator[Specimen]:
        decisions = self.decisions
        self.defects.clear()
        for name, source in self.sources.items():
            for specimen in source:
                if specimen.id not in decisions.drops[name]:
                    yield self._merged(name, specimen)
            self.defects.update(source.defects, f"{name}: ")

    @property
    def total(self) -> int:
        """Count the records that are kept, and the unusable ones."""
        return self.decisions.kept + self.decisions.skipped

    @cached_property
    def rules(self) -> Rules:
        """Give what decides; the checklist and the blocked lists are read here."""
        settings = self.settings
        file = settings.checklist
        checklist = Checklist.load(file.path, format=file.format, columns=dict(file.columns)) if file else None
        resolver = Resolver(checklist, settings.keep)
        return Rules(
            resolver,
            BlockedSpecies(settings.blocked_species, resolver),
            BlockedImages(settings.blocked_images),
            drop_unmatched=settings.unmatched == "drop",
            identical_photos=settings.identical_photos,
            photo_identifiers=settings.photo_identifiers,
        )

    @cached_property
    def decisions(self) -> Decisions:
        """Give what was decided about each record."""
        logger.info(
            "reading the names of all records, and the pictures that may be the same: %s", ", ".join(self.sources)
        )
        decisions = decide(self.sources, self.rules)
        for warning in self._warnings(decisions):
            logger.warning("%s", warning)
        return decisions

    def warnings(self) -> list[str]:
        """Return what has had no effect: blocked lists that blocked nothing, a checklist that knows no name."""
        return self._warnings(self.decisions)

    def _warnings(self, decisions: Decisions) -> list[str]:
        warnings = [*self.rules.species.warnings(), *self.rules.images.warnings()]
        counts = decisions.counts.values()
        if self.settings.checklist and not any(count["accepted"] or count["synonym"] for count in counts):
            warnings.append(
                f"the checklist {Path(self.settings.checklist.path).name} has none of the names of the data"
            )
        return warnings

    @cached_property
    def common_names(self) -> list[SpeciesText]:
        """Give the common names that vernacular tables have for the taxa of the set."""
        taxa, settings = self.decisions.kept_taxa, self.settings
        return read_common_names(settings.common_names, taxa, self.rules.resolver, settings.languages)

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield the texts of all sources under the accepted names, then the common names of vernacular tables."""
        yield from merged_texts(self.sources, self.decisions, self.rules, self.common_names, self.defects)

    def fingerprint(self) -> str:
        """Hash the sources, the settings, and the files that they name."""
        digest = hashlib.blake2b(digest_size=16)
        for name, source in self.sources.items():
            digest.update(f"{name}:{source.fingerprint()}\n".encode())
        digest.update(json.dumps(self._settings_without_folders(), sort_keys=True, default=dict).encode())
        for path in self._files():
            digest.update(f"{path.name}:{file_hash(path)}\n".encode())
        return digest.hexdigest()

    def summary(self) -> dict[str, Any]:
        """Return the counts of each source, of the log, and what the blocked lists met."""
        decisions, rules = self.decisions, self.rules
        blocked = {
            kind: {where: f"{sum(entry in hits for entry in entries)} of {len(entries)}" for where, entries in lists}
            for kind, lists, hits in (
                ("species", rules.species.lists.items(), rules.species.hits),
                ("images", rules.images.lists.items(), rules.images.hits),
            )
        }
        return {
            "sources": {name: _ordered(counts) for name, counts in decisions.counts.items()},
            "conflict_lines": decisions.log.counts,
            "blocked_entries_found": blocked,
            "common_names_joined": len(self.common_names),
            "warnings": self.warnings(),
        }

    def write_side_files(self, folder: Path) -> None:
        """Write the conflict log, the catalogue and the summary into a shard folder."""
        self.decisions.log.save(folder)
        write_catalog(self._catalogued(), folder)
        summary = self.summary()
        write_json(folder / SUMMARY, summary)
        for name, counts in summary["sources"].items():
            logger.info(
                "%s: %s", name, ", ".join(f"{what.replace('_', ' ')} {count:,}" for what, count in counts.items())
            )

    def _merged(self, name: str, specimen: Specimen) -> Specimen:
        resolution = self.rules.resolver(specimen.taxon)
        metadata = dict(specimen.metadata)
        given, accepted = specimen.taxon.deepest, resolution.taxon.deepest
        if given != accepted and given is not None:
            metadata["given_name"] = given[1]
        return replace(
            specimen,
            id=f"{name}/{specimen.id}",
            group_id=self.decisions.groups.of(name, specimen),
            taxon=resolution.taxon,
            source=name,
            metadata=metadata,
        )

    def _catalogued(self) -> Iterator[dict[str, Any]]:
        names = merged_texts(self.sources, self.decisions, self.rules, self.common_names, Defects())
        texts = SpeciesTexts(names)
        for name, source in self.sources.items():
            drops = self.decisions.drops[name]
            for specimen in source:
                yield self._row(name, specimen, drops.get(specimen.id, Drop("kept")), texts)

    def _row(self, name: str, specimen: Specimen, drop: Drop, texts: SpeciesTexts) -> dict[str, Any]:
        resolution = self.rules.resolver(specimen.taxon)
        common_names = (*specimen.common_names, *texts.names_and_descriptions(resolution.taxon)[0])
        return {
            "id": f"{name}/{specimen.id}",
            "source": name,
            "source_id": specimen.id,
            **asdict(drop),
            "split": specimen.split,
            "licence": specimen.licence,
            "rights_holder": specimen.rights_holder,
            "given_name": name_of(specimen.taxon),
            "name": name_of(resolution.taxon),
            "match": resolution.match,
            **dict(zip(RANKS, resolution.taxon.ranks)),
            "common_name": next(iter(common_names), ""),
        }

    def _settings_without_folders(self) -> dict[str, Any]:
        """Return the settings with the names of files alone: where they lie changes nothing."""
        values = asdict(self.settings)
        for file in (values["checklist"], *values["common_names"]):
            if file:
                file["path"] = Path(file["path"]).name
        for kind in ("blocked_species", "blocked_images"):
            values[kind] = [Path(entry).name if Path(entry).exists() else entry for entry in values[kind]]
        return values

    def _files(self) -> list[Path]:
        settings = self.settings
        named = [file.path for file in (settings.checklist, *settings.common_names) if file]
        paths = [Path(name) for name in (*named, *settings.blocked_species, *settings.blocked_images)]
        listed = [[path, *(sorted(path.rglob("*")) if path.is_dir() else ())] for path in paths]
        return [path for group in listed for path in group if path.is_file()]


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """Return what arrived, what was kept, and then all other counts that are not 0."""
    first = ("records", "kept")
    others = sorted(what for what, count in counts.items() if count and what not in first)
    return {what: counts.get(what, 0) for what in (*first, *others)}
