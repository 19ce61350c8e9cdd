"""The model card of an exported folder: what the run knows, and what it does not know said to be unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clipbio.config import instantiate
from clipbio.data.card import CARD
from clipbio.data.manifest import MANIFEST, Manifest
from clipbio.errors import ClipbioError
from clipbio.evaluation.table import cell, escape_markdown, label, percent, result_tables
from clipbio.exporting.card_origin import code_section, cost_section, data_lines
from clipbio.files import read_json

__all__ = ["RunFacts", "model_card", "read_run"]

_UNKNOWN = "unknown"
_DATA_SECTIONS = ("Sources", "Splits", "Licences")
_SETTINGS = (
    "model.name", "model.pretrained", "model.image.name", "model.image.weights", "model.text.weights",
    "model.image.unlocked", "model.text.unlocked", "model.image.lora", "model.text.lora", "init", "duration",
    "data.batch_size", "seed", "loss._target_", "loss.targets", "loss.pairs", "loss.temperature", "optim.lr",
    "optim.weight_decay", "optim.warmup", "optim.schedule", "optim.layer_decay", "augmentation.scale",
    "augmentation.flip", "trainer.precision",
)  # fmt: skip


@dataclass(frozen=True)
class RunFacts:
    """What a card is made of; what a run does not have is empty.

    `manifests` are the hashes of the data by name (`data`, `data.streams.NAME`), `towers` how many weights each has,
    `run` is what stands in `run.json`, `metrics` what stands in `metrics.json`.
    """

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    step: int | None = None
    weights: str = ""
    towers: Mapping[str, int] = field(default_factory=dict)
    manifests: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluated: str = ""
    licence: str = _UNKNOWN
    barcodes: bool = False
    library: str = "open_clip"


def model_card(
    facts: RunFacts,
    *,
    usage: str,
    preprocess: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    checks: Mapping[str, Any] | None = None,
) -> str:
    """Return the card in Markdown, with the front matter that the hub reads.

    Args:
        facts: What is known of the run.
        usage: Code or commands that use it.
        preprocess: Image transform and size of the space; None leaves them out.
        notes: What a user has to know of this form of the model.
        checks: What was compared with the run, by name; None where nothing was exported.
    """
    parts = [_front_matter(facts), f"# {facts.name}", _overview(facts, preprocess), f"## Use\n\n{usage}"]
    parts += [_notes(notes), _data(facts), _texts(facts), _training(facts), code_section(facts.run)]
    parts += [cost_section(facts.run), _results(facts), _limits(facts), _checks(checks)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _front_matter(facts: RunFacts) -> str:
    values = {
        "license": facts.licence,
        "library_name": facts.library,
        "pipeline_tag": "zero-shot-image-classification",
        "tags": ["clip", "biology", "taxonomy", "clipbio", *(["dna"] if facts.barcodes else [])],
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False)}---"


def _overview(facts: RunFacts, preprocess: Mapping[str, Any] | None) -> str:
    towers = ", ".join(f"{name} {count:,}" for name, count in facts.towers.items())
    places = ("model.pretrained", "model.name", "model.image.name")
    start = next((found for key in places if (found := _setting(facts.config, key))), None)
    lines = [
        "A contrastive model of organisms: pictures and texts (names along the taxonomic ranks, common names, "
        "descriptions) as vectors in one space, trained with clipbio.",
        "",
        f"- weights of its towers: {towers or _UNKNOWN}",
        f"- architecture or start: {_shown(start)}",
        f"- weights taken: {facts.weights or _UNKNOWN}, step {facts.step if facts.step is not None else _UNKNOWN}",
        f"- licence of these weights: {facts.licence}",
    ]
    if preprocess is not None:
        lines.append(f"- vectors of {preprocess['dim']} dimensions; pictures of {_size(preprocess['size'])} pixels")
    return "\n".join(lines)


def _notes(notes: Sequence[str]) -> str:
    return "\n".join(["## To know", "", *(f"- {note}" for note in notes)]) if notes else ""


def _data(facts: RunFacts) -> str:
    lines = ["## Data", ""]
    if not facts.manifests:
        return "\n".join([*lines, "Unknown: the checkpoint does not say on which data it was trained."])
    for name, digest in facts.manifests.items():
        lines.append(f"- `{name}`: content hash `{digest}`")
    for name, one in ((facts.run.get("data") or {}).get("streams") or {}).items():
        lines.append(f"- stream `{name}`: {one['train_specimens']:,} specimens of {one['split']}")
    cards = [(name, _data_card(facts.config, digest)) for name, digest in facts.manifests.items()]
    known: set[str] = set()
    for name, card in cards:
        if card is None and (told := data_lines(facts.run, facts.manifests[name])):
            lines += ["", f"In `{name}`:", "", *told]
        elif card is None:
            lines += ["", f"What is in `{name}` is unknown here: its data card was not found."]
        elif card not in known:
            known.add(card)
            lines += ["", card]
    return "\n".join(lines)


def _data_card(config: Mapping[str, Any], digest: str) -> str | None:
    """Return the parts of a data card that a reader of a model asks for."""
    folder = next((one for one in _data_folders(config) if _hash_of(one) == digest), None)
    if folder is None or not (folder / CARD).is_file():
        return None
    sections = (folder / CARD).read_text(encoding="utf-8").split("\n## ")
    overview = sections[0].strip().removeprefix("# Data card: ")
    kept = [f"### {one.strip()}" for one in sections[1:] if one.startswith(_DATA_SECTIONS)]
    return "\n\n".join([overview, *kept])


def _data_folders(config: Mapping[str, Any]) -> Iterable[Path]:
    data = config.get("data") or {}
    roots = [data.get("root"), *(one.get("root") for one in (data.get("streams") or {}).values())]
    folders = [Path(str(root)).expanduser() for root in roots if root and "://" not in str(root)]
    cache = Path(str(data.get("cache_dir") or "")).expanduser()
    prepared = sorted(path.parent for path in cache.glob(f"*/*/{MANIFEST}"))
    return [one for one in (*folders, *prepared) if (one / MANIFEST).is_file()]


def _hash_of(folder: Path) -> str:
    try:
        return Manifest.load(folder).hash
    except ClipbioError:
        return ""


def _texts(facts: RunFacts) -> str:
    streams = (facts.config.get("data") or {}).get("streams") or {}
    lines = []
    for name, stream in streams.items():
        regime = stream.get("text") if isinstance(stream, Mapping) else None
        if isinstance(regime, Mapping) and "_target_" in regime:
            lines.append(f"- `{name}`: {instantiate(regime, f'data.streams.{name}.text').describe()}")
    return "\n".join(["## Texts in training", "", *(lines or ["Unknown."])])


def _training(facts: RunFacts) -> str:
    found = {key: value for key in _SETTINGS if (value := _setting(facts.config, key)) is not None}
    lines = ["## Training", "", *(f"- {key}: {_shown(value)}" for key, value in found.items())]
    if not found:
        lines.append("Unknown: there is no config of a run.")
    return "\n".join(lines)


def _results(facts: RunFacts) -> str:
    if not facts.metrics:
        return "## Results\n\nUnknown: the run has not been evaluated."
    lines = ["## Results", "", f"Of {facts.evaluated or 'the run'}; percent with 95 % intervals, n what was averaged."]
    for table in result_tables(facts.metrics):
        head = ["", *(label(metric) for metric in table.metrics), "n"]
        lines += [
            "",
            f"**{label(table.task)}, {escape_markdown(table.split)}**",
            "",
            _row(head),
            _row(["---"] * len(head)),
        ]
        for variant, row in table.rows.items():
            n = table.n(variant)
            lines.append(_row([label(variant), *(cell(row.get(one)) for one in table.metrics), f"{n or ''}"]))
        if table.has_chance:
            lines.append(_row(["*chance*", *(percent(table.chance(one)) for one in table.metrics), ""]))
    return "\n".join(lines)


def _limits(facts: RunFacts) -> str:
    splits = sorted({table.split.partition("@")[0] for table in result_tables(facts.metrics)})
    measured = f"was measured on {', '.join(splits)} of these data only" if splits else "was not measured"
    lines = [
        "## Limits",
        "",
        "- This run saw the data named above; a pretrained start has seen others, which its own card tells.",
        f"- What it does with other organisms, regions and kinds of pictures {measured}.",
        "- Probabilities are a softmax over the names that are offered: an organism that is not among them gets one of "
        "them all the same.",
        "- An identification by this model is a suggestion, no determination.",
    ]
    return "\n".join(lines)


def _checks(checks: Mapping[str, Any] | None) -> str:
    if checks is None:
        return ""
    lines = ["## How this folder was checked", "", "It was loaded again and compared with the run:", ""]
    return "\n".join([*lines, *(f"- {key.replace('_', ' ')}: {_shown(value)}" for key, value in checks.items())])


def _setting(config: Mapping[str, Any], key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape_markdown(_UNKNOWN if value is None else value)


def _size(size: Any) -> str:
    return " x ".join(map(str, size)) if isinstance(size, Sequence) else f"{size} x {size}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def read_run(folder: Path | None) -> tuple[dict[str, Any], dict[str, float]]:
    """Return what `run.json` and `metrics.json` of a run folder say, empty where they are not."""
    found = []
    for name in ("run.json", "metrics.json"):
        path = folder / name if folder is not None else None
        found.append(dict(read_json(path)) if path is not None and path.is_file() else {})
    return found[0], found[1]
