"""Running statistics of several processes are those of one."""

from pathlib import Path

import torch
from processes import in_group, spawn

from clipbio.models.projections import Standardise

MET_NF = torch.randn(24, 3, generator=torch.Generator().manual_seed(0)) * 2 + 50


def learnt(rank: int, world: int) -> dict[str, torch.Tensor]:
    """Return the statistics after two steps, whose rows are dealt unevenly; one process has none in the second step."""
    norm = Standardise(3).train()
    for bounds in ((0, 5, 12), (12, 24, 24)):
        norm(MET_NF[bounds[0] : bounds[2]] if world == 1 else MET_NF[bounds[rank] : bounds[rank + 1]])
        norm.settle()
    return norm.state_dict()


def share(rank: int, folder: Path) -> None:
    torch.save(in_group(rank, 2, folder / "meet", lambda: learnt(rank, 2)), folder / f"{rank}.pt")


def test_two_processes_have_the_statistics_of_one(tmp_path: Path) -> None:
    spawn(share, tmp_path)
    alone = learnt(0, 1)
    torch.testing.assert_close(alone["mean"], MET_NF.mean(dim=0))
    torch.testing.assert_close(alone["variance"], MET_NF.var(dim=0, unbiased=False))
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert found.keys() == alone.keys()
        for name, value in alone.items():
            torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-6)
