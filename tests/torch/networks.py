"""Networks and data that several tests measure."""

from __future__ import annotations

import torch
from torch import nn

import minidyn as md


def spiral_problem(width=20):
    """minidyn's network, its weights and task, and the same network in torch, in float64."""
    net, task = md.MLP(2, width, 3), md.spiral(30)
    params = net.init(3)
    twin = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 3)).double()
    with torch.no_grad():
        for layer, (weight, bias) in zip((twin[0], twin[2]), params, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.T))
            layer.bias.copy_(torch.from_numpy(bias))
    return net, params, task, twin, (torch.tensor(task.x), torch.tensor(task.labels))


def convolutional(seed=0):
    """A small convolutional network, smooth, with batch normalisation in eval mode; and 12 samples."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(3, 4, 2),
        nn.Softplus(),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    net(torch.randn(30, 2, 4, 4))  # running statistics other than 0 and 1
    return net.eval().double(), (torch.randn(12, 2, 4, 4).double(), torch.arange(12) % 3)


def snapshot(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def assert_untouched(net, before, training=False):
    assert net.training == training
    assert all(p.grad is None for p in net.parameters())
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.dtype == before[name].dtype
