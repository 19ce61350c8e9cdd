"""Time and energy: counters that run round, estimates that say so, attempts that add up."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from clipbio.files import write_json
from clipbio.provenance.counters import Estimate, Nvml, Rapl, cpu_counter, gpu_counter
from clipbio.provenance.usage import FOLDER, Meter, added, forget_usage, read_usage


def domain(powercap: Path, name: str, label: str, joules: float, full: float = 1000.0) -> Path:
    """Write a folder as the kernel shows it, with its counter in microjoules."""
    folder = powercap / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, value in (("name", label), ("energy_uj", int(joules * 1e6)), ("max_energy_range_uj", int(full * 1e6))):
        (folder / file).write_text(f"{value}\n")
    return folder


def counter(powercap: Path) -> Rapl:
    found = cpu_counter(powercap)
    assert found is not None
    return found


def test_packages_and_memory_are_counted_once(tmp_path: Path) -> None:
    for name, label in (("intel-rapl:0", "package-0"), ("intel-rapl:1", "package-1"), ("intel-rapl:0:0", "core"),
                        ("intel-rapl:0:1", "dram"), ("intel-rapl:2", "psys")):  # fmt: skip
        domain(tmp_path, name, label, 100)
    found = counter(tmp_path)
    for name, label in (("intel-rapl:0", "package-0"), ("intel-rapl:1", "package-1"), ("intel-rapl:0:0", "core"),
                        ("intel-rapl:0:1", "dram"), ("intel-rapl:2", "psys")):  # fmt: skip
        domain(tmp_path, name, label, 110)
    assert found.joules() == pytest.approx(30)
    assert found.joules() == 0


def test_a_counter_that_is_full_begins_anew(tmp_path: Path) -> None:
    domain(tmp_path, "intel-rapl:0", "package-0", 990, full=1000)
    found = counter(tmp_path)
    domain(tmp_path, "intel-rapl:0", "package-0", 5, full=1000)
    assert found.joules() == pytest.approx(15)


def test_a_counter_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert cpu_counter(tmp_path) is None
    folder = domain(tmp_path, "intel-rapl:0", "package-0", 1)
    (folder / "energy_uj").unlink()
    assert cpu_counter(tmp_path) is None


def test_gpus_count_in_millijoules() -> None:
    told = {"one": 1_000, "two": 5_000}
    nvml = SimpleNamespace(nvmlDeviceGetTotalEnergyConsumption=told.__getitem__)
    found = Nvml(nvml, ["one", "two"])
    told |= {"one": 3_000, "two": 6_000}
    assert found.joules() == pytest.approx(3.0)
    assert gpu_counter([0]) is None or isinstance(gpu_counter([0]), Nvml)


def test_an_estimate_is_seconds_times_watts() -> None:
    seconds = iter((10.0, 25.0))
    assert Estimate(lambda: next(seconds), 4.0, "assumed").joules() == 60.0


class Given:
    """A counter that uses ten kilojoules between two readings."""

    basis = "given"

    def joules(self) -> float:
        return 10_000.0


def test_a_meter_sums_what_its_counters_tell_and_says_on_what_basis(tmp_path: Path) -> None:
    meter = Meter(tmp_path / FOLDER / "rank-0.json", gpus=[0], every=60, cpu=Given(), gpu=Given())
    meter.usage()
    usage = meter.end()
    assert usage["cpu_kwh"] == usage["gpu_kwh"] == pytest.approx(20_000 / 3.6e6)
    assert usage["kwh"] == pytest.approx(40_000 / 3.6e6)
    assert usage["basis"] == {"cpu": "given", "gpu": "given"}
    assert usage["estimated"] is False


def test_without_counters_it_is_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipbio.provenance.usage.cpu_counter", lambda: None)
    meter = Meter(tmp_path / "rank-0.json", every=60)
    deadline = time.process_time() + 0.05
    while time.process_time() < deadline:
        pass
    usage = meter.end()
    assert usage["estimated"] is True
    assert usage["kwh"] > 0
    assert "assumed: 9 W" in usage["basis"]["cpu"]


def test_what_was_measured_outlives_a_killed_process_and_adds_up_over_processes(tmp_path: Path) -> None:
    for rank in (0, 1):
        meter = Meter(tmp_path / FOLDER / f"rank-{rank}.json", every=0.01, cpu=Given(), whole_machine=rank == 0)
        deadline = time.monotonic() + 10
        while not meter.path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        meter.end()
    usage = read_usage(tmp_path)
    assert usage is not None
    assert usage["cpu_kwh"] > 0
    write_json(tmp_path / FOLDER / "rank-1.json", {**usage, "seconds": 1000.0, "kwh": 2.0})
    both = read_usage(tmp_path)
    assert both is not None
    # Processes run side by side: their energy adds up, their time does not.
    assert both["seconds"] == 1000.0
    assert both["kwh"] > 2.0
    forget_usage(tmp_path)
    assert read_usage(tmp_path) is None
    assert not (tmp_path / FOLDER).exists()


def test_attempts_add_up_and_one_estimate_makes_the_sum_one() -> None:
    first = {"seconds": 10, "cpu_hours": 1.0, "gpu_hours": 0.0, "cpu_kwh": 0.5, "gpu_kwh": 0.0, "kwh": 0.5,
             "estimated": False, "basis": {"cpu": "RAPL"}}  # fmt: skip
    second = {**first, "kwh": 0.25, "estimated": True, "basis": {"cpu": "assumed"}}
    total = added([first, second, {"seconds": 5}])
    assert total["seconds"] == 25
    assert total["kwh"] == 0.75
    assert total["estimated"] is True
    assert total["basis"] == {"cpu": "RAPL; assumed"}
