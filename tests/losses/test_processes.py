"""One process on the whole batch against two and four on their shares: the same value and the same gradients."""

import sys

import torch
from processes import spawn
from toy import WORLDS, results, run_process


def test_several_processes_compute_what_one_does(tmp_path, capsys) -> None:
    spawn(run_process, tmp_path, processes=max(WORLDS))
    for world in WORLDS:
        found = torch.load(tmp_path / f"results-{world}.pt", weights_only=True)
        worst = {case: _worst_error(values, results(case, 0, 1)) for case, values in found.items()}
        with capsys.disabled():
            sys.stdout.write(
                f"\n{world} processes: worst relative error of value and gradients {max(worst.values()):.1e}\n"
            )
        assert max(worst.values()) <= 1e-5, worst


def _worst_error(found: dict[str, torch.Tensor], alone: dict[str, torch.Tensor]) -> float:
    assert found.keys() == alone.keys()
    return max(
        float((found[name] - value).abs().max() / value.abs().max().clamp(min=1e-6)) for name, value in alone.items()
    )
