"""Small random problems, and models of a reader's own."""

from __future__ import annotations

import autograd.numpy as np

import minidyn as md

LOSSES = {
    "cross_entropy": md.CrossEntropy,
    "mse_sample": lambda gamma=None: md.SquaredError(gamma, weighting="sample"),
    "mse_output": lambda gamma=None: md.SquaredError(gamma, weighting="output"),
}


class Plain:
    """An MLP stripped to what a model must have, so that all its derivatives are autograd's."""

    def __init__(self, *widths):
        self.net = md.MLP(*widths)

    def init(self, seed):
        return self.net.init(seed)

    def logits(self, params, x):
        return self.net.logits(params, x)


class Smooth:
    """A model of a reader's own: tanh units, parameters in a dict, no bias in the end."""

    def __init__(self, inputs, units, classes):
        self.name = f"Smooth({inputs}, {units}, {classes})"
        self.shapes = {"in": (inputs, units), "shift": (units,), "out": (units, classes)}

    def init(self, seed):
        random = np.random.RandomState(seed)
        return {name: random.randn(*shape) * 0.5 for name, shape in self.shapes.items()}

    def __repr__(self):
        return self.name

    def logits(self, params, x):
        return np.dot(np.tanh(np.dot(x, params["in"]) + params["shift"]), params["out"])


class Sines:
    """A waveform of a reader's own: each class's weight is a sine, normalised; one step at a time."""

    def __init__(self, period, classes):
        self.period, self.classes = period, classes

    def weights(self, step):
        raw = 1.5 + np.sin(2 * np.pi * (step / self.period + np.arange(self.classes) / self.classes))
        return list(self.classes * raw / raw.sum())


def random_problem(hidden, loss="cross_entropy", seed=0, samples=12):
    """(net, params, task, loss, step): a network with `hidden` hidden layers, random data and a random Γ."""
    random = np.random.RandomState([seed, hidden])
    inputs, classes = random.randint(1, 5), random.randint(2, 5)
    net = md.MLP(inputs, *random.randint(2, 7, size=hidden).tolist(), classes)
    params = [(w + 0.2 * random.randn(*w.shape), b + 0.3 * random.randn(*b.shape)) for w, b in net.init(seed)]
    task = md.Task(random.randn(samples, inputs), random.randint(classes, size=samples), classes)
    gamma = md.Oscillation(1 + 50 * random.rand(), int(random.randint(2, 100)), classes)
    return net, params, task, LOSSES[loss](gamma), int(random.randint(1000))


def flat(params):
    return np.concatenate([part.ravel() for layer in params for part in layer])
