"""One of two processes that train together: python ddp_worker.py RANK FOLDER. Started by test_torch_ddp.py."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import minidyn.torch as mt

UPDATES = 15


class WithLoss(nn.Module):
    """A network that brings its criterion along, so that the clock is one of the buffers that DDP sends around."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3)).double()
        self.criterion = mt.DynamicalCrossEntropyLoss(10, 8, 3)

    def forward(self, x, labels):
        return self.criterion(self.net(x), labels)


def data():
    random = torch.Generator().manual_seed(0)
    return torch.randn(12, 2, generator=random, dtype=torch.float64), torch.arange(12) % 3


def train(wrapped, module, x, labels):
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    for _ in range(UPDATES):
        optimizer.zero_grad()
        wrapped(x, labels).backward()
        optimizer.step()
        module.criterion.step()
    return module.state_dict()


def main(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", f"file://{folder / 'meeting'}", timedelta(seconds=120), rank=rank, world_size=2
    )
    x, labels = data()
    module = WithLoss()
    state = train(DistributedDataParallel(module), module, x[rank::2], labels[rank::2])
    torch.save(state, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
