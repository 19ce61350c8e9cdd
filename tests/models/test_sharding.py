"""Two processes that shard a model train it as one process does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sharded_steps import MODELS, steps
from small_models import save_openclip

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """Folder of the models, and what two processes recorded of each."""
    folder = tmp_path_factory.mktemp("sharded")
    for name in MODELS[:3]:
        save_openclip(folder / name, name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    # Not through torchrun, whose own imports take seconds.
    processes = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "tests/models/sharded_steps.py"), str(folder)],
            env=os.environ | world | {"PYTHONPATH": str(ROOT), "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        errors = [process.communicate(timeout=200)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], errors[0][-3000:]
    return folder, torch.load(folder / "records.pt", weights_only=False)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_and_weights_equal_those_of_one_process(sharded, name):
    folder, records = sharded
    two, one = records[name], steps(name, folder, sharded=False)
    assert one["gradients"].keys() == two["gradients"].keys()
    scale = max(gradient.abs().max() for gradient in one["gradients"].values())
    error = max((one["gradients"][key] - two["gradients"][key]).abs().max() for key in one["gradients"])
    assert error <= 1e-5 * scale
    assert two["norms"] == pytest.approx(one["norms"], rel=1e-4)
    assert min(one["norms"]) > 0.01
    torch.testing.assert_close(two["weights"], one["weights"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(two["vectors"], one["vectors"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(two["weights_again"], two["weights"], rtol=0, atol=0)


@pytest.mark.parametrize("name", MODELS)
def test_a_process_holds_its_half_and_checkpoints_are_as_of_one(sharded, name):
    folder, records = sharded
    two, one = records[name], steps(name, folder, sharded=False)
    assert max(two["held"]) < 0.6
    states = [record["optimizer"] for record in (one, two)]
    assert states[0]["param_groups"] == states[1]["param_groups"]
    torch.testing.assert_close(states[1]["state"], states[0]["state"], rtol=1e-3, atol=1e-6)
