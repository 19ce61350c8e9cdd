"""The sections of a model card that `run.json` fills: code, data in numbers, machine, time and energy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from clipbio.evaluation.table import escape_markdown

__all__ = ["code_section", "cost_section", "data_lines"]

_UNKNOWN = "unknown"
_COUNTED = (("sources", "sources"), ("licences", "licences of pictures and texts"))


def code_section(run: Mapping[str, Any]) -> str:
    """Return with which code, packages and start a model was made."""
    git = run.get("git") or {}
    packages = {name: version for name, version in (run.get("packages") or {}).items() if version}
    lines = [
        "## Code",
        "",
        f"- clipbio: {run.get('clipbio') or _UNKNOWN}, commit {git.get('commit') or _UNKNOWN}"
        f"{_changes(run, git)}{_source(run)}",
        f"- packages: {', '.join(f'{name} {version}' for name, version in packages.items()) or _UNKNOWN}",
        f"- Python {run.get('python') or _UNKNOWN} on {run.get('platform') or _UNKNOWN}",
        *(f"- {key} began as {_weights(one)}" for key, one in (run.get("weights") or {}).items()),
        *(
            f"- weights of {name}.ckpt, step {one['step']}: SHA-256 `{one['tensors'][:16]}` of its tensors"
            for name, one in (run.get("checkpoints") or {}).items()
        ),
    ]
    return "\n".join(lines)


def _changes(run: Mapping[str, Any], git: Mapping[str, Any]) -> str:
    if not git.get("changed"):
        return ""
    file = (run.get("code_diff") or {}).get("file")
    return f", with changes ({file} in the run folder)" if file else ", with changes that are not kept"


def _source(run: Mapping[str, Any]) -> str:
    return f"; hash of its source `{run['source_hash']}`" if run.get("source_hash") else ""


def _weights(one: Mapping[str, Any]) -> str:
    name = str(one["source"])
    told = escape_markdown(name if name.startswith("package:") else name.rsplit("/", 1)[-1])
    version = f" {one['version']}" if one.get("version") else ""
    hashes = ", ".join(f"`{digest[:16]}`" for digest in (one.get("sha256") or {}).values())
    return f"{told}{version}{f', SHA-256 {hashes}' if hashes else ''}"


def data_lines(run: Mapping[str, Any], digest: str) -> list[str]:
    """Return what `run.json` says of the data of a content hash: counts, sources and licences; nothing of others."""
    data = run.get("data") or {}
    parts = [data, *(data.get("streams") or {}).values()]
    found = next((one for one in parts if one.get("manifest") == digest and one.get("licences")), None)
    if found is None:
        return []
    lines = [f"- specimens: {_counts(found['specimens'])}"]
    return lines + [f"- {words}: {_counts(found[key])}" for key, words in _COUNTED if found.get(key)]


def cost_section(run: Mapping[str, Any]) -> str:
    """Return on which machine a model was trained, how long, and with how much energy."""
    machine, usage = run.get("machine") or {}, run.get("usage") or {}
    attempts = run.get("attempts") or []
    seconds = float(usage.get("seconds") or sum(float(one.get("seconds") or 0) for one in attempts))
    lines = [
        "## Hardware and energy",
        "",
        f"- machine: {_machine(run, machine)}; processes: {run.get('world_size') or _UNKNOWN}",
        f"- time: {f'{seconds:.0f} s' if seconds else _UNKNOWN}"
        f"{f' in {len(attempts)} attempts' if len(attempts) > 1 else ''}, data and evaluation included",
    ]
    if usage.get("samples_seen"):
        lines.append(f"- specimens drawn in training: {usage['samples_seen']:,}")
    if usage.get("kwh") is None:
        return "\n".join([*lines, "- energy: unknown"])
    hours = f"{usage['cpu_hours']:.3g} hours of a processor's core"
    hours += f", {usage['gpu_hours']:.3g} hours of a GPU" if usage["gpu_hours"] else ""
    energy = f"{usage['kwh']:.3g} kWh{' (estimated)' if usage['estimated'] else ''}"
    basis = "; ".join(f"{part.upper()}: {words}" for part, words in usage["basis"].items())
    lines += [
        f"- work: {hours}",
        f"- energy: {energy}, without cooling, the machine's other parts and what was cached before. {basis}",
    ]
    return "\n".join(lines)


def _machine(run: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    if gpus := run.get("gpus"):
        return ", ".join(gpus) + (f", driver {machine['driver']}" if machine.get("driver") else "")
    if not run:
        return _UNKNOWN
    model = f" ({machine['cpu']})" if machine.get("cpu") else ""
    return f"{run['cpus']} CPU cores{model}"


def _counts(counts: Mapping[str, int]) -> str:
    named: Iterable[str] = (f"{escape_markdown(name or 'not told')} {count:,}" for name, count in counts.items())
    return ", ".join(named)
