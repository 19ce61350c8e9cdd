"""Published figures beside ours: `expected.yaml`, by the name of a model and the key of a figure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.protocols import OWN, PROTOCOLS

__all__ = ["Published", "expected_name", "published", "with_means"]

_FILE = Path(__file__).with_name("expected.yaml")
_PROTOCOL = re.compile(rf"_({'|'.join(name for name in PROTOCOLS if name != OWN)})$")
# A figure of a suite and of a training run on the same data: bioscan_1m_test+bioscan_1m_unseen is test+unseen. An entry
# with figures of another set tells it.
_SET = "bioscan_1m"


@dataclass(frozen=True, slots=True)
class Published:
    """One published figure, a share in [0, 1]; ours agrees where it is no further from it than `tolerance`."""

    value: float
    tolerance: float
    source: str
    certainty: str

    def agrees(self, value: float) -> bool:
        """Tell whether a figure of ours is within the tolerance."""
        return abs(value - self.value) <= self.tolerance + 1e-9


@cache
def _content() -> Mapping[str, Any]:
    content = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@cache
def _figures() -> dict[str, dict[str, tuple[Published, ...]]]:
    """Return by model and key what was published."""
    found: dict[str, dict[str, tuple[Published, ...]]] = {}
    for entry in _content()["published"]:
        figures = found.setdefault(str(entry["model"]), {})
        for key, value in entry["values"].items():
            one = Published(float(value), float(entry["tolerance"]), str(entry["source"]), str(entry["certainty"]))
            figures[key] = (*figures.get(key, ()), one)
    return found


def _set_of(name: str | None) -> str:
    """Return the data set whose splits the keys of a model call `test` and `unseen`."""
    return next((str(one["set"]) for one in _content()["published"] if one["model"] == name and "set" in one), _SET)


def expected_name(model: Mapping[str, Any], asked: str | None = None) -> str | None:
    """Return under which name the figures of a model were published; None if nothing was.

    Args:
        model: What evaluation.json says of the model: `name`, `pretrained`, `checkpoint`, and `expected` of a run
            whose recipe was published. What else was trained here is not the published model, even if it began as that.
        asked: The name that a person gave, with `expected=`.

    Raises:
        ClipbioError: Nothing is known under the given name.
    """
    asked = asked or model.get("expected")
    if asked is not None:
        if asked not in _figures():
            raise ClipbioError(f"expected={asked}: nothing is known to be published{nearest(asked, _figures())}")
        return asked
    if model.get("checkpoint"):
        return None
    name = str(model.get("name"))
    return next((one for one in (f"{name}/{model.get('pretrained')}", name) if one in _figures()), None)


def published(name: str | None, key: str) -> tuple[Published, ...]:
    """Return what was published for a figure (`task/split/variant/metric`), several where papers differ.

    A figure under a protocol is compared with those under the same one, else with those that name none.
    """
    figures = _figures().get(name, {}) if name else {}
    task, _, rest = key.partition("/")
    rest = rest.replace(f"{_set_of(name)}_", "")
    return figures.get(f"{task}/{rest}") or figures.get(f"{_PROTOCOL.sub('', task)}/{rest}") or ()


def with_means(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return flat numbers with the means over several data sets that papers print, where all of them were measured."""
    found = dict(metrics)
    for name, members in _content()["mean_of"].items():
        for key in metrics:
            task, _, rest = key.partition("/")
            split, _, tail = rest.partition("/")
            if split != members[0] or tail.count("/") != 1:
                continue
            keys = [f"{task}/{member}/{tail}" for member in members]
            if all(one in metrics for one in keys):
                mean = f"{task}/{name}/{tail}"
                found |= {mean: sum(metrics[one] for one in keys) / len(keys)}
                counts = [metrics.get(f"{one}/n", 0) for one in keys]
                found |= {f"{mean}/n": sum(counts)} if all(counts) else {}
    return found
