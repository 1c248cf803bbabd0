"""Answers to try. WRONG: by task, an edit of the master's answer (old, new) and what the test must say about it.

ROUTES: by task, whole answers that are right, written another way.
"""

WRONG, ROUTES = {}, {}

WRONG["ps1"] = {
    "arm": [
        ("first = 2 * np.pi * j / classes", "first = 2 * np.pi * j", "same angle"),
        ("4 * np.pi", "2 * np.pi", "turns once"),
        (" + noise", "", "The noise has no effect"),
        ("radius * np.cos(angle), radius * np.sin(angle)", "radius * np.sin(angle), radius * np.cos(angle)", "r cos"),
        ("axis=1", "axis=0", "one row a point"),
    ],
    "cross_entropy": [
        (".mean()", ".sum()", "is their mean"),
        ("(rest - true).mean()", "(rest - true).sum() / logits.size", "over the samples"),
        ("(rest - true)", "(-logits[np.arange(len(labels)), labels])", "competes with"),
        ("(rest - true).mean()", "(rest - true).mean() / np.log(2)", "another base"),
        ("labels]", "labels - 1]", "numbers are not right"),
        (" - logits.max(axis=1, keepdims=True)", "", "overflows"),
    ],
    "output_slope": [
        (" / len(labels)", "", "mean over samples"),
        ("probability - truth", "truth - probability", "The sign is wrong"),
        ("probability - truth", "probability", "Where does the label"),
        ("axis=1", "axis=0", "wrong axis"),
    ],
    "backward": [
        (" * (z > 0)", "", "A unit that is off"),
        ("slope @ V.T * (z > 0)", "np.maximum(slope @ V.T, 0)", "the unit's input"),
        (
            "back.sum(axis=0), h.T @ slope, slope.sum(axis=0)",
            "back.mean(axis=0), h.T @ slope, slope.mean(axis=0)",
            "The biases got means",
        ),
        ("h.T @ slope", "z.T @ slope", "what the units send on"),
    ],
    "descend": [
        ("w - rate", "w + rate", "uphill"),
        ("w - rate * gradient(w)", "w - rate * gradient(path[0])", "the gradient of the start"),
        ("path = [w]", "path = []", "The start is missing"),
        ("w = w - rate * gradient(w)", "w -= rate * gradient(w)", "changed in place"),
        ("np.array(path)", "path[-1]", "Only the last point"),
    ],
    "unlearned": [
        ('"C"', '"A"', "falls quietly"),
        ('"C"', '"B"', "slowly"),
        ('"C"', '"D"', "bounces"),
        ('"C"', "10.0", "letter"),
    ],
}

ROUTES["ps1"] = {
    "arm": [
        """
def arm(j, classes, noise):
    points = []
    for k in range(len(noise)):
        share = k / (len(noise) - 1)
        angle = 2 * np.pi * j / classes + share * 4 * np.pi + noise[k]
        points.append([share * np.cos(angle), share * np.sin(angle)])
    return points
""",
        """
def arm(j, classes, noise):
    share = np.linspace(0, 1, noise.size)
    z = share * np.exp(1j * (2 * np.pi * j / classes + 4 * np.pi * share + noise))
    return np.column_stack([z.real, z.imag])
""",
    ],
    "cross_entropy": [
        """
import math
def cross_entropy(logits, labels):
    total = 0
    for f, y in zip(logits, labels):
        top = max(f)
        total += top + math.log(sum(math.exp(v - top) for v in f)) - f[y]
    return total / len(labels)
""",
        """
import torch
def cross_entropy(logits, labels):
    return torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels))
""",
    ],
    "output_slope": [
        """
def output_slope(logits, labels):
    slope = np.empty_like(logits)
    for j, (f, y) in enumerate(zip(logits, labels)):
        p = np.exp(f) / np.exp(f).sum()
        for i in range(len(f)):
            slope[j, i] = (p[i] - (i == y)) / len(labels)
    return slope
""",
        """
import autograd, autograd.numpy as anp
def output_slope(logits, labels):
    def loss(f):
        return anp.mean(anp.log(anp.sum(anp.exp(f), axis=1)) - f[anp.arange(len(labels)), labels])
    return autograd.grad(loss)(logits)
""",
        """
import torch
def output_slope(logits, labels):
    f = torch.tensor(logits, requires_grad=True)
    torch.nn.functional.cross_entropy(f, torch.tensor(labels)).backward()
    return f.grad
""",
    ],
    "backward": [
        """
def backward(W, b, V, c, x, slope):
    on = (x @ W + b > 0).astype(float)
    dW = np.einsum("pi,pc,uc,pu->iu", x, slope, V, on)
    db = np.einsum("pc,uc,pu->u", slope, V, on)
    dV = np.einsum("pu,pc->uc", on * (x @ W + b), slope)
    return [dW, db, dV, np.einsum("pc->c", slope)]
""",
        """
import torch
def backward(W, b, V, c, x, slope):
    parts = [torch.tensor(part, requires_grad=True) for part in (W, b, V, c)]
    f = torch.relu(torch.tensor(x) @ parts[0] + parts[1]) @ parts[2] + parts[3]
    f.backward(torch.tensor(slope))
    return tuple(part.grad for part in parts)
""",
    ],
    "descend": [
        """
def descend(gradient, w, rate, steps):
    path = np.empty((steps + 1, len(w)))
    path[0] = w
    for k in range(steps):
        path[k + 1] = path[k] - rate * gradient(path[k])
    return path
""",
        """
def descend(gradient, w, rate, steps):
    return np.array([w] if steps == 0 else [w, *descend(gradient, w - rate * gradient(w), rate, steps - 1)])
""",
    ],
}
