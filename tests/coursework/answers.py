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
        ("axis=1", "axis=0", "one row per point"),
    ],
    "cross_entropy": [
        (".mean()", ".sum()", "is their mean"),
        ("(rest - true).mean()", "(rest - true).sum() / logits.size", "over the samples"),
        ("(rest - true)", "(-logits[np.arange(len(labels)), labels])", "competes with"),
        ("(rest - true).mean()", "(rest - true).mean() / np.log(2)", "another base"),
        ("(rest - true)", "(true - rest)", "The sign is wrong"),
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

WRONG["ps2"] = {
    "raw_weights": [
        ("ramp = 1 - abs(2 * share - 1)", "ramp = share", "must fall back"),
        ("turn = step // period % classes", "turn = 0", "another class's turn"),
        ("ramp = 1 - abs(2 * share - 1)", "ramp = min(share, 1 - share)", "half as high"),
        ("1 + (amplitude - 1) * ramp", "amplitude * ramp", "starts from 0"),
        ("1 + (amplitude - 1) * ramp", "1 + amplitude * ramp", "should be A"),
        ("weights[turn] =", "weights[:] =", "One class is raised at a time"),
        (" % classes", "", "stopped with IndexError"),
    ],
    "class_weights": [
        ("len(raw) * raw / raw.sum()", "raw / raw.sum()", "sum to C"),
        ("len(raw) * raw / raw.sum()", "raw / raw.max()", "the largest"),
        ("len(raw) * raw / raw.sum()", "raw", "Nothing is divided"),
        ("len(raw) * raw / raw.sum()", "len(raw) * np.exp(raw) / np.exp(raw).sum()", "You used exp"),
        ("len(raw) * raw / raw.sum()", "raw / len(raw)", "by the length"),
    ],
    "dynamical_loss": [
        ("weights[labels] * own", "own", "static loss"),
        (
            "weights[labels] * own",
            "np.log(np.exp(weights * logits).sum(axis=1)) - (weights * logits)[np.arange(len(labels)), labels]",
            "multiplied the outputs",
        ),
        ("(weights[labels] * own).mean()", "(weights[labels] * own).sum() / weights[labels].sum()", "samples' weights"),
        ("weights[labels] * own", "weights[logits.argmax(axis=1)] * own", "which the network says"),
        (".mean()", ".sum()", "is their mean"),
        (
            "weights[labels] * own",
            "own - (weights[labels] - 1) * logits[np.arange(len(labels)), labels]",
            "but not the rest",
        ),
    ],
    "dynamical_slope": [
        ("weights[labels][:, None] * ", "", "slope of the static loss"),
        ("weights[labels][:, None] * ", "weights * ", "Each column has its weight"),
        (" / len(labels)", "", "left out a factor"),
        ("probability - truth", "truth - probability", "The sign is wrong"),
        ("weights[labels][:, None] * ", "weights[labels][:, None] ** 2 * ", "twice"),
    ],
    "bounds": [
        ("classes / total, classes * amplitude / total", "1.0, amplitude", "raw weights, before"),
        ("classes / total, classes * amplitude / total", "1 / total, amplitude / total", "would sum to 1"),
        (" - 1", "", "one class too many"),
        (
            "classes / total, classes * amplitude / total",
            "classes * amplitude / total, classes / total",
            "least comes first",
        ),
        ("amplitude + classes - 1", "amplitude * classes", "all classes as raised"),
    ],
    "period": [
        (".period", ".period * 3", "a whole cycle"),
        (".period", ".period / 2", "the way up only"),
        (".period", ".period * 2", "the next but one"),
        (".period", ".amplitude", "How many steps lie between"),
    ],
    "amplitude": [
        ("2 * peak / (3 - peak)", "peak", "the height of the peak"),
        ("2 * peak / (3 - peak)", "peak / (3 - peak)", "for a sum of 1"),
        ("2 * peak / (3 - peak)", "3 * peak / (3 - peak)", "not three"),
        ("2 * peak / (3 - peak)", "1000", "Solve your formula"),
    ],
}

ROUTES["ps2"] = {
    "raw_weights": [
        """
def raw_weights(step, amplitude, period, classes):
    while step >= period * classes:
        step -= period * classes
    raw = []
    for j in range(classes):
        since = step - j * period
        if 0 <= since < period / 2:
            raw.append(1 + (amplitude - 1) * 2 * since / period)
        elif period / 2 <= since < period:
            raw.append(amplitude - (amplitude - 1) * 2 * (since - period / 2) / period)
        else:
            raw.append(1.0)
    return raw
""",
    ],
    "dynamical_loss": [
        """
import torch
def dynamical_loss(logits, labels, weights):
    f, y, w = torch.tensor(logits), torch.tensor(labels), torch.tensor(weights)
    return torch.nn.functional.cross_entropy(f, y, weight=w, reduction="sum") / len(y)
""",
        """
def dynamical_loss(logits, labels, weights):
    total = 0.0
    for j in range(len(labels)):
        p = np.exp(logits[j]) / sum(np.exp(logits[j]))
        total -= weights[labels[j]] * np.log(p[labels[j]])
    return total / len(labels)
""",
    ],
    "dynamical_slope": [
        """
import autograd, autograd.numpy as anp
def dynamical_slope(logits, labels, weights):
    def loss(f):
        own = anp.log(anp.sum(anp.exp(f), axis=1)) - f[anp.arange(len(labels)), labels]
        return anp.mean(weights[labels] * own)
    return autograd.grad(loss)(logits)
""",
        """
def dynamical_slope(logits, labels, weights):
    e = np.exp(logits)
    p = e / e.sum(1)[:, None]
    p[np.arange(len(labels)), labels] -= 1
    return np.einsum("p,pc->pc", weights[labels], p) / len(labels)
""",
        """
import torch
def dynamical_slope(logits, labels, weights):
    f = torch.tensor(logits, requires_grad=True)
    own = torch.nn.functional.cross_entropy(f, torch.tensor(labels), reduction="none")
    (torch.tensor(weights)[labels] * own).mean().backward()
    return f.grad
""",
    ],
    "bounds": [
        """
def bounds(amplitude, classes):
    raw = np.ones(classes)
    raw[0] = amplitude
    gamma = raw * classes / np.sum(raw)
    return np.array([gamma.min(), gamma.max()])
""",
        "bounds = lambda a, c: [c / (a + c - 1), c * a / (a + c - 1)]",
    ],
}

WRONG["ps3"] = {
    "hessian_times": [
        ("(ahead - behind) / (2 * eps)", "(ahead - gradient(w)) / eps", "one way only"),
        ("(2 * eps)", "eps", "factor of two"),
        (" / (2 * eps)", "", "did not divide"),
        ("ahead - behind", "behind - ahead", "The sign is wrong"),
        ("eps * v", "eps * w", "moved along w"),
        ("eps * v", "eps", "every coordinate by the same amount"),
        ("(ahead - behind)", "v @ (ahead - behind)", "the curvature along v"),
    ],
    "sharpness": [
        ("np.linalg.eigvalsh(hessian)[-1]", "abs(np.linalg.eigvalsh(hessian)).max()", "largest in size. Eigenvalues"),
        ("np.linalg.eigvalsh(hessian)[-1]", "np.linalg.svd(hessian)[1][0]", "largest in size. Eigenvalues"),
        ("[-1]", "[0]", "with its sign"),
        ("np.linalg.eigvalsh(hessian)[-1]", "np.trace(hessian)", "sum of all eigenvalues"),
        ("np.linalg.eigvalsh(hessian)[-1]", "hessian.diagonal().max()", "on the diagonal"),
        ("[-1]", "", "all eigenvalues"),
    ],
    "power_iteration": [
        ("        v = v / np.linalg.norm(v)\n", "", "never brought back"),
        ("v @ hessian @ v", "abs(v @ hessian @ v)", "has no sign"),
        ("range(steps)", "range(steps - 1)", "one product short"),
        ("range(steps)", "range(steps + 1)", "one product too many"),
        ("v @ hessian @ v", "np.linalg.norm(hessian @ v)", "one more product"),
        ("return v @ hessian @ v", "return v", "That is the vector"),
    ],
    "fates": [
        ("rate * c < 2", "rate * c < 1.0", "That may still come to rest"),
        ("rate * c", "2 * rate * c", "Where does it land"),
        ("rate * c", "c", "curvature alone"),
        ("rate * c", "c / rate", "You divided"),
        ("rate * c < 1:", "rate * c < 2:", "a fate of its own"),
    ],
    "critical_rate": [
        ("2 / np", "1 / np", "may be twice as long"),
        ("2 / np.linalg.eigvalsh(hessian)[-1]", "np.linalg.eigvalsh(hessian)[-1] / 2", "upside down"),
        ("np.linalg.eigvalsh(hessian)[-1]", "abs(np.linalg.eigvalsh(hessian)).max()", "no valley"),
        ("np.linalg.eigvalsh(hessian)[-1]", "np.trace(hessian)", "sets no limit"),
        ("[-1]", "[0]", "is positive"),
    ],
    "flip_coefficient": [
        ("(rate * second) ** 2", "rate * second**2", "belongs into the square"),
        ("- rate * third", "+ rate * third", "comes with a minus"),
        ("(rate * second) ** 2 / 2 - rate * third / 3", "second**2 / 2 - third / 3", "has no effect"),
        (
            "(rate * second) ** 2 / 2 - rate * third / 3",
            "(rate * second / 2) ** 2 / 2 - rate * third / 18",
            "power series",
        ),
        (" - rate * third / 3", "", "third derivative is missing"),
        ("(rate * second) ** 2 / 2 ", "", "second derivative is missing"),
        ("(rate * second) ** 2 / 2", "rate * second / 2", "is squared"),
        ("(rate * second) ** 2 / 2 - rate * third / 3", "(rate * second) ** 2 - rate * third", "halves and thirds"),
    ],
    "crossing": [
        ("values > 2", "values > 1", "not yet the limit"),
        ("np.argmax(values > 2)", "values.argmax()", "That is the peak"),
        ("steps[", "1500 + steps[", "from the start of the training"),
        ("steps[np.argmax(values > 2)]", "2", "That is the level"),
    ],
}

ROUTES["ps3"] = {
    "hessian_times": [
        """
def hessian_times(gradient, w, v, eps):
    far, near = (np.asarray(gradient(w + sign * eps * v)) for sign in (1, -1))
    return [(f - n) / (eps + eps) for f, n in zip(far, near)]
""",
        """
import torch
def hessian_times(gradient, w, v, eps):
    w, v = torch.tensor(w), torch.tensor(v)
    ends = [torch.tensor(gradient((w + e * v).numpy())) for e in (eps, -eps)]
    return (ends[0] - ends[1]) / eps / 2
""",
    ],
    "sharpness": [
        "def sharpness(hessian):\n    return max(np.linalg.eigvals(hessian).real)",
        """
import torch
def sharpness(hessian):
    return torch.linalg.eigvalsh(torch.tensor(hessian)).max()
""",
    ],
    "power_iteration": [
        """
def power_iteration(hessian, v, steps):
    u = np.linalg.matrix_power(hessian, steps).dot(v)
    return np.einsum("i,ij,j", u, hessian, u) / np.einsum("i,i", u, u)
""",
    ],
    "fates": [
        """
def fates(rate, curvature):
    factor = 1 - rate * curvature
    return np.where(factor > 0, "slides", np.where(factor > -1, "alternates", "diverges"))
""",
    ],
    "flip_coefficient": [
        """
def flip_coefficient(force, floor, rate):
    x = np.linspace(-0.5, 0.5, 9)
    fit = np.polynomial.Polynomial.fit(x, [force(floor + d) for d in x], 3)
    return (rate * fit.deriv(2)(0)) ** 2 / 2 - rate * fit.deriv(3)(0) / 3
""",
        """
def flip_coefficient(force, floor, rate):
    def derivative(f, h):
        return lambda x: (f(x + h) - f(x - h)) / (2 * h)
    second = derivative(derivative(force, 0.05), 0.05)
    return rate**2 * second(floor) ** 2 / 2 - rate * derivative(second, 0.05)(floor) / 3
""",
    ],
    "critical_rate": [
        "critical_rate = lambda hessian: 2 / max(np.linalg.eigh(hessian)[0])",
    ],
}

WRONG["ps4"] = {
    "jacobian": [
        ("on = (z > 0).astype(float)", "on = np.ones_like(z)", "A unit that is off"),
        ("x[:, None, :, None] * by_b[:, :, None, :]", "x[:, None, None, :] * by_b[:, :, :, None]", "row by row"),
        ("(by_W, by_b, by_V, by_c)", "(by_W, by_V)", "The biases have no columns"),
        ("np.eye(len(c))[None, :, None, :]", "np.ones((1, len(c), 1, len(c)))", "its own column of V"),
        ("(by_W, by_b, by_V, by_c)", "(by_V, by_c, by_W, by_b)", "The order is W, b, V, c"),
        ("(by_W, by_b, by_V, by_c)", "(by_W, by_b, by_V)", "The output biases"),
    ],
    "kernel": [
        ('np.einsum("pck,qdk->pcqd", J, J)', "J[:, 0] @ J[:, 0].T", "You kept one output"),
        ("pck,qdk->pcqd", "pck,qck->pq", "added the outputs up"),
        ('np.einsum("pck,qdk->pcqd", J, J)', "np.mean([j @ j.T for j in J.swapaxes(0, 1)], axis=0)", "You averaged"),
        ("J, J)", "J, J) / J.shape[2]", "number of parameters"),
        ("pck,qdk->pcqd", "pck,pcl->kl", "sum is over the parameters"),
        ("pck,qdk->pcqd", "pck,qdk->pqcd", "axes are in another order"),
    ],
    "top_eigenvalue": [
        ("K.reshape(rows, rows)", "K[:, 0, :, 0]", "kept the first output"),
        ("K.reshape(rows, rows)", "np.trace(K, axis1=1, axis2=3) / K.shape[1]", "averaged over the outputs first"),
        ("K.reshape(rows, rows)", "np.trace(K, axis1=1, axis2=3)", "added the outputs up"),
        ("K.reshape(rows, rows)", "K.transpose(1, 0, 2, 3).reshape(rows, rows)", "different orders"),
        ("[-1]", "[0]", "That is the smallest"),
        ("[-1]", ".sum()", "sum of all eigenvalues"),
    ],
    "predicted_change": [
        ("-rate", "rate", "The sign is wrong"),
        ("-rate *", "-", "has no effect"),
        ("K, slope)", "K, slope) / len(slope)", "already holds"),
        ("pcqd,qd->pc", "pcqc,qc->pc", "Outputs share"),
        ("pcqd,qd->pc", "pcpd,pd->pc", "Samples share"),
        ('np.einsum("pcqd,qd->pc", K, slope)', "slope", "The kernel is not in it"),
    ],
    "critical_rate": [
        ("return rows /", "return 2 /", "the kernel itself"),
        ("return rows /", "return rows / 2 /", "would vanish"),
        ("return rows /", "return 2 * rows /", "factor of two"),
        ("return rows /", "return K.shape[0] /", "the samples only"),
        ("K.reshape(rows, rows)", "np.trace(K, axis1=1, axis2=3) / K.shape[1]", "averaged over the outputs"),
    ],
    "growth": [
        ("values[-1] / values[0]", "values[0] / values[-1]", "upside down"),
        ("values[-1] / values[0]", "values[-1] - values[0]", "a difference"),
        ("values[-1] / values[0]", "values[-1]", "value at the end"),
        ("values[-1] / values[0]", "values[0]", "value at the start"),
        ("values[-1] / values[0]", "values[-1] / values[0] - 1", "gained"),
    ],
}

ROUTES["ps4"] = {
    "jacobian": [
        """
import autograd, autograd.numpy as anp
def jacobian(W, b, V, c, x):
    shapes = [W.shape, b.shape, V.shape, c.shape]
    ends = np.cumsum([np.prod(s) for s in shapes])[:-1]
    def outputs(theta):
        w, bias, v, last = (part.reshape(s) for part, s in zip(anp.split(theta, ends), shapes))
        z = anp.dot(x, w) + bias
        return anp.dot(anp.where(z > 0, z, 0), v) + last
    return autograd.jacobian(outputs)(np.concatenate([part.ravel() for part in (W, b, V, c)]))
""",
        """
import torch
def jacobian(W, b, V, c, x):
    parts = tuple(torch.tensor(part) for part in (W, b, V, c))
    def outputs(w, bias, v, last):
        return torch.relu(torch.tensor(x) @ w + bias) @ v + last
    derivatives = torch.autograd.functional.jacobian(outputs, parts)
    return torch.cat([part.reshape(len(x), len(c), -1) for part in derivatives], dim=2)
""",
        """
def jacobian(W, b, V, c, x):
    rows = []
    for sample in x:
        z = sample @ W + b
        for i in range(len(c)):
            back = np.where(z > 0, V[:, i], 0)
            dV = np.zeros_like(V)
            dV[:, i] = np.maximum(z, 0)
            rows.append(np.concatenate([np.outer(sample, back).ravel(), back, dV.ravel(), np.arange(len(c)) == i]))
    return np.array(rows).reshape(len(x), len(c), -1)
""",
    ],
    "kernel": [
        """
def kernel(J):
    flat = J.reshape(-1, J.shape[2])
    return (flat @ flat.T).reshape(J.shape[:2] + J.shape[:2])
""",
        """
def kernel(J):
    P, C, _ = J.shape
    K = np.zeros((P, C, P, C))
    for p in range(P):
        for c in range(C):
            for q in range(P):
                for d in range(C):
                    K[p, c, q, d] = J[p, c] @ J[q, d]
    return K
""",
        "import torch\ndef kernel(J):\n    J = torch.tensor(J)\n    return torch.tensordot(J, J, dims=([2], [2]))",
    ],
    "top_eigenvalue": [
        """
def top_eigenvalue(K):
    rows = K.shape[0] * K.shape[1]
    return np.linalg.norm(K.transpose(1, 0, 3, 2).reshape(rows, rows), 2)
""",
    ],
    "predicted_change": [
        "predicted_change = lambda K, slope, rate: -rate * np.tensordot(K, slope, axes=2)",
        """
def predicted_change(K, slope, rate):
    return (K.reshape(slope.size, -1) @ (-rate * slope.ravel())).reshape(slope.shape)
""",
    ],
    "critical_rate": [
        """
def critical_rate(K):
    rows = K.shape[0] * K.shape[1]
    step = np.linalg.eigvalsh(2 / rows * K.reshape(rows, rows))
    return 2 / step.max()
""",
    ],
}

WRONG["ps5"] = {
    "coarse": [
        ("digit : digit + 3", "digit - 1 : digit + 2", "too early"),
        ("digit : digit + 3", "digit + 1 : digit + 4", "too late"),
        ("digit : digit + 3", "digit", "One unit is on"),
        ("digit : digit + 3", "digit : digit + 2", "Two units"),
        ("digit : digit + 3", "digit : digit + 4", "Four units"),
        ("return units", "return 1 - units", "should be off"),
    ],
    "best_match": [
        ("argmin", "argmax", "farthest"),
        ("argmin(axis=1)", "argmin(axis=0)", "other way round"),
        ("return errors.argmin(axis=1)", "return (outputs @ patterns.T).argmax(axis=1)", "favours long patterns"),
        ("(outputs[:, None, :] - patterns[None, :, :]) ** 2", "abs(outputs[:, None] - patterns)", "Their squares"),
        ("argmin", "min", "These are the errors"),
        (".sum(axis=2)", ".max(axis=2)", "All units count"),
        ("** 2).sum(axis=2)", "** 1).sum(axis=2) ** 2", "may cancel"),
    ],
    "remaining": [
        ("ones[2]", "ones[1]", "after one pass"),
        ("ones[2]", "twos[2]", "of the twos"),
        ("ones[2]", "1 - ones[2]", "what they lost"),
        ("ones[2]", "ones[0]", "before the twos"),
        ("ones[2]", "100 * ones[2]", "in percent"),
    ],
    "backward_transfer": [
        ("R[-1, j] - R[j, j]", "R[j, j] - R[-1, j]", "The sign is wrong"),
        ("range(tasks - 1)", "range(tasks)", "nothing to lose yet"),
        ("- R[j, j]", "- R[0, j]", "the first row"),
        ("np.mean(gains)", "R[-1].mean()", "accuracy at the end"),
        ("R[-1, j] -", "R[j + 1, j] -", "one task ahead"),
        ("R[-1, j] -", "R[j, -1] -", "other way round"),
    ],
    "cell_step": [
        ("g * (p[1] * z + q[1]) + (1 - g)", "(1 - g) * (p[1] * z + q[1]) + g", "yes and no"),
        ("-4 * (z", "-(z", "not as steep"),
        ("1 / (1 + np.exp(-4 * (z - theta)))", "float(z > theta)", "The gate is hard"),
        (" + w[2] * carry", "", "not weighed in"),
        (" + (1 - g) * (p[0] * z + q[0])", "", "answer to no is missing"),
        ("return digit, out", "return out, digit", "The digit comes first"),
        ("    z = w", "    p, q = p.T, q.T\n    z = w", "the columns digit and carry"),
    ],
    "add": [
        (" + 1)", ")", "no place"),
        ("in range(max(a.bit_length(), b.bit_length()) + 1)", "in range(max(a.bit_length(), b.bit_length()), -1, -1)",
         "most significant"),
        ("digit, carry = cell", "digit, _ = cell", "lost from digit to digit"),
        ("        total +=", "        carry = round(carry)\n        total +=", "You rounded the carry"),
        ("round(digit)", "digit", "did not round the digits"),
        (" * 2**k", "", "Each has its place"),
    ],
}  # fmt: skip

ROUTES["ps5"] = {
    "coarse": [
        "coarse = lambda digit: [1 if digit + 1 <= unit <= digit + 3 else 0 for unit in range(1, 13)]",
        "def coarse(digit):\n    return np.eye(12)[digit : digit + 3].sum(axis=0)",
    ],
    "best_match": [
        """
def best_match(outputs, patterns):
    answers = []
    for row in outputs:
        errors = [sum((u - v) ** 2 for u, v in zip(row, pattern)) for pattern in patterns]
        answers.append(errors.index(min(errors)))
    return answers
""",
        """
def best_match(outputs, patterns):
    return np.argmin((patterns**2).sum(axis=1) - 2 * np.einsum("nu,mu->nm", outputs, patterns), axis=1)
""",
        """
import torch
def best_match(outputs, patterns):
    return torch.cdist(torch.tensor(outputs), torch.tensor(patterns)).argmin(dim=1)
""",
    ],
    "backward_transfer": [
        "backward_transfer = lambda R: (R[-1] - np.diag(R))[:-1].mean()",
        "def backward_transfer(R):\n    return (R[-1] - np.diag(R)).sum() / (len(R) - 1)",
    ],
    "cell_step": [
        """
def cell_step(w, theta, p, q, a, b, carry):
    z = np.dot(w, [a, b, carry])
    yes = 0.5 + 0.5 * np.tanh(2 * (z - theta))
    gate = np.array([1 - yes, yes])
    return np.einsum("i,ij->j", gate, p * z + q)
""",
    ],
    "add": [
        """
def add(cell, a, b):
    first, second = bin(a)[2:][::-1], bin(b)[2:][::-1]
    length = max(len(first), len(second)) + 1
    carry, spelled = 0, ""
    for x, y in zip(first.ljust(length, "0"), second.ljust(length, "0")):
        digit, carry = cell(int(x), int(y), carry)
        spelled = str(int(round(digit))) + spelled
    return int(spelled, 2)
""",
    ],
}
