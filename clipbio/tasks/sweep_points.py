"""The points of a sweep as their folders tell of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.evaluation.expected import with_means
from clipbio.evaluation.figures import Figure, parse, read_metrics
from clipbio.evaluation.sweep import Point, Sweep, short
from clipbio.training.run import RunFolder, varied_settings

__all__ = ["is_sweep", "objective", "read_sweep", "run_folders", "score"]

# In this order beside the split that chooses.
_SPLITS = ("val", "val_unseen", "test", "unseen")


def objective(config: Mapping[str, Any]) -> str:
    """Return the key of the validation figure by which a run is judged: `optimized_metric`, else `checkpoint.monitor`.

    Raises:
        ClipbioError: It is one of a test split, which must not choose.
    """
    key = str(config.get("optimized_metric") or config["checkpoint"]["monitor"])
    split = key.split("/")[1] if "/" in key else ""
    if any(part.startswith(("test", "unseen")) for part in split.split("+")):
        raise ClipbioError(f"optimized_metric={key} is measured on '{split}', which must not choose: give one of val")
    return key


def score(folder: Path, config: Mapping[str, Any]) -> float | None:
    """Return the best value so far of what a run is judged by; None before the first validation."""
    key = objective(config)
    path = folder / "metrics.json"
    if path.exists() and key in (metrics := read_metrics(path)):
        return metrics[key]
    from clipbio.training.loggers import read_history  # late: it loads Lightning, of which finished runs have no need

    history = [line[key] for line in read_history(folder / "metrics.jsonl") if line.get(key) is not None]
    return (min if config["checkpoint"]["mode"] == "min" else max)(history, default=None)


def run_folders(folder: Path) -> list[Path]:
    """Return the training runs that lie in a folder, each in its own."""
    return sorted(path.parent for path in folder.glob("*/config.yaml"))


def is_sweep(folder: Path) -> bool:
    """Tell whether a folder holds runs and is none itself."""
    return (
        not (folder / "metrics.json").exists() and not (folder / "config.yaml").exists() and bool(run_folders(folder))
    )


def read_sweep(folder: Path, keys: Sequence[str] = ()) -> Sweep:
    """Read the runs of a sweep, however far they are; `keys` are further figures to show.

    Raises:
        ClipbioError: The folder holds no runs, or what they are judged by differs.
    """
    runs = [RunFolder(path) for path in run_folders(folder)]
    if not runs:
        raise ClipbioError(f"{folder} holds no runs")
    configs = [run.config() for run in runs]
    judged = {(objective(config), str(config["checkpoint"]["mode"])) for config in configs}
    if len(judged) > 1:
        told = "; ".join(sorted(key for key, _ in judged))
        raise ClipbioError(f"the runs in {folder} are judged by different figures ({told}): compare them one by one")
    key, mode = judged.pop()
    points = [_point(run, config, varied) for run, config, varied in zip(runs, configs, _varied(configs), strict=True)]
    sign = 1 if mode == "min" else -1
    points.sort(key=lambda one: (one.value is None, sign * (one.value or 0.0), one.name))
    return Sweep(tuple(points), key, mode == "min", tuple(dict.fromkeys((key, *(keys or _beside(key, points))))))


def _point(run: RunFolder, config: Mapping[str, Any], varied: Mapping[str, Any]) -> Point:
    status = run.status
    state = str(status.get("state", "not started"))
    metrics: dict[str, Figure] = {}
    if (run.path / "metrics.json").exists():
        found = parse(with_means(read_metrics(run.path / "metrics.json")))
        metrics = {one.key: one for one in found if one.n is not None and one.value is not None}
    return Point(run.path.name, state, _remark(status, state), varied, score(run.path, config), metrics)


def _remark(status: Mapping[str, Any], state: str) -> str:
    if state in ("finished", "not started"):
        return ""
    step, steps = status.get("step"), status.get("steps")
    far = f"step {step} of {steps}" if step is not None and steps else ""
    return str(status.get("error") or far) if state in ("failed", "diverged", "hung") else far


def _beside(key: str, points: Sequence[Point]) -> list[str]:
    """Return the same figure on the other splits, as far as any point has it."""
    parts = key.split("/")
    if len(parts) < 4:
        return []
    others = ("/".join([parts[0], split, *parts[2:]]) for split in _SPLITS)
    return [one for one in others if any(one in point.figures for point in points)]


def _varied(configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return for each config the settings that are not the same in all, named as shortly as they can be told apart."""
    settings = varied_settings(configs)
    columns = {key: [one[key] for one in settings] for key in (settings[0] if settings else ())}
    kept = [key for key in columns if not _follows(key, columns)]
    found = [_with_mixture({key: one[key] for key in kept}) for one in settings]
    names = short(list(dict.fromkeys(key for one in found for key in one)))
    return [{names[key]: value for key, value in one.items()} for one in found]


def _follows(key: str, columns: Mapping[str, Sequence[Any]]) -> bool:
    """Tell whether a setting is the same as a shorter one of that name, from which it is taken."""
    end = key.split(".")
    return any(
        other != key
        and values == columns[key]
        and other.rpartition(".")[2] == end[-1]
        and (len(other.split(".")), other) < (len(end), key)
        for other, values in columns.items()
    )


def _with_mixture(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Put the weights of a mixture together, as shares of what is in it."""
    found: dict[str, Any] = {}
    mixtures: dict[str, dict[str, float]] = {}
    for key, value in settings.items():
        parent, _, name = key.rpartition(".")
        if parent.rpartition(".")[2] == "weights":
            mixtures.setdefault(parent, found.setdefault(parent, {}))[name] = float(value or 0.0)
        else:
            found[key] = value
    for parent, weights in mixtures.items():
        total = sum(weights.values()) or 1.0
        found[parent] = {name: weight / total for name, weight in weights.items() if weight}
    return found
