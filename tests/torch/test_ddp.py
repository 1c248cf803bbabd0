"""Two processes, half a batch each, follow one process with the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
ddp_worker = pytest.importorskip("tests.torch.ddp_worker", exc_type=ImportError)


@pytest.mark.slow
def test_two_processes(tmp_path):
    if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
        pytest.skip("this PyTorch has no gloo")
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    script = Path(__file__).with_name("ddp_worker.py")
    processes = [
        subprocess.Popen([sys.executable, script, str(rank), tmp_path], env=environment, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=180)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    module = ddp_worker.WithLoss()
    alone = ddp_worker.train(module, module, *ddp_worker.data())
    assert int(alone["criterion.clock"]) == ddp_worker.UPDATES
    for rank in range(2):
        together = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert together.keys() == alone.keys()
        for name, tensor in alone.items():
            torch.testing.assert_close(together[name], tensor, rtol=1e-10, atol=1e-12)
