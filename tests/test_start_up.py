"""Help, mistakes and composed configs are there at once: what takes seconds to import waits until it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Each takes from a tenth of a second to several.
HEAVY = {"torch", "torchvision", "pytorch_lightning", "lightning_fabric", "open_clip", "timm", "transformers", "wandb",
         "matplotlib", "sklearn", "scipy", "pandas", "pyarrow", "PIL", "fastapi", "numpy"}  # fmt: skip
PROGRAM = """
import sys
from clipbio.cli import main
status = main(sys.argv[1:])
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
sys.exit(status)
"""


def imported(*arguments: str, status: int = 0) -> set[str]:
    """Run the command in a fresh process and return what it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_help_imports_nothing_that_takes_time() -> None:
    assert imported("--help") & (HEAVY | {"hydra", "omegaconf", "rich"}) == set()


@pytest.mark.parametrize(
    "arguments", [["train", "--help"], ["serve", "--help"], ["train", "--cfg", "job"]], ids=" ".join
)
def test_a_verb_tells_of_itself_without_its_libraries(arguments: list[str]) -> None:
    assert imported(*arguments) & HEAVY == set()


@pytest.mark.parametrize(
    "mistake", [["trane"], ["train", "optim.lrr=1"], ["train", "experiment=quickstrt"]], ids=" ".join
)
def test_a_typing_mistake_is_told_at_once(mistake: list[str]) -> None:
    assert imported(*mistake, status=2) & HEAVY == set()
