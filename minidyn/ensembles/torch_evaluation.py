"""What the table of a sweep holds of the end of each run, for many networks at once, in float64 on any torch device.

The sharpness comes from Lanczos' iteration on Hessian-vector products, all networks in step. Networks have one hidden
layer; the first axis of every tensor is theirs. Definitions stand in `losses` and `mlp`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from minidyn.ensembles.interface import FinalValues, Member, RunResult
from minidyn.ensembles.members import launches, widths
from minidyn.losses import CrossEntropy
from minidyn.model import flatten
from minidyn.task import Task

BASIS = 32  # vectors in the basis of Lanczos' iteration, which are orthogonalised and solved for in one batch
RESTARTS = 100  # of the iteration, each from the best vector so far
TOLERANCE = 1e-8  # residual relative to the largest eigenvalue, as in `hessian_eigenvalues`
MEMORY = {"cpu": 2**24, "cuda": 2**32}  # bytes that networks evaluated together may take

Product = Callable[[Tensor], Tensor]


class Sharpness(NamedTuple):
    """The largest eigenvalue of the Hessian of each network."""

    values: Tensor  # (n,)
    residuals: Tensor  # (n,), |H v - λ v|: each value lies within its residual of an eigenvalue


def final_values(members: Sequence[Member], results: Sequence[RunResult], device: str) -> list[FinalValues]:
    """The static loss, the accuracies and the sharpness where each run ended, in the order of the members."""
    values: dict[int, FinalValues] = {}
    with torch.no_grad():
        for numbers in launches(members, lambda member: _together(member, device)):
            batch = _Networks([members[n] for n in numbers], [results[n] for n in numbers], device)
            values |= zip(numbers, batch.final_values(), strict=True)
    return [values[number] for number in range(len(members))]


def largest_eigenvalues(product: Product, networks: int, size: int, like: Tensor) -> Sharpness:
    """The largest eigenvalue of each of `networks` symmetric matrices (size, size), known by their products.

    Lanczos' iteration with full reorthogonalisation, restarted from the best vectors until all residuals meet the
    tolerance. `product` takes (networks, size) to (networks, size), all on the device and in the dtype of `like`.

    Notes
    -----
    Source: Lanczos (1950); Parlett, "The symmetric eigenvalue problem" (1998), chapter 13.
    """
    random = torch.from_numpy(np.random.RandomState(0).randn(min(BASIS, size), size)).to(like)
    start = random[0].expand(networks, size)
    for _ in range(RESTARTS):
        values, start = _largest_ritz_pairs(product, start, random)
        residuals = (product(start) - values[:, None] * start).norm(dim=1)
        if bool((residuals <= TOLERANCE * values.abs()).all()):
            break
    return Sharpness(values, residuals)


def _largest_ritz_pairs(product: Product, start: Tensor, random: Tensor) -> tuple[Tensor, Tensor]:
    """The largest eigenvalue of each matrix in the Krylov space of its start vector, and its unit vector.

    `random` holds a vector for each vector of the basis, to go on with where the space is exhausted.
    """
    networks, size = start.shape
    length = len(random)
    basis, projected = start.new_zeros(networks, length, size), start.new_zeros(networks, length, length)
    residual = start
    for step in range(length):
        basis[:, step] = residual / residual.norm(dim=1, keepdim=True)
        image = product(basis[:, step])
        projected[:, step, step] = (basis[:, step] * image).sum(dim=1)
        if step + 1 < length:
            residual, norm = _orthogonal_part(image, basis[:, : step + 1], random[step + 1])
            projected[:, step, step + 1] = projected[:, step + 1, step] = norm
    values, vectors = torch.linalg.eigh(projected)
    best = (vectors[:, None, :, -1] @ basis)[:, 0]
    return values[:, -1], best / best.norm(dim=1, keepdim=True)


def _orthogonal_part(image: Tensor, basis: Tensor, random: Tensor) -> tuple[Tensor, Tensor]:
    """What of each image lies outside the span of its basis, and its norm.

    The norm is 0 if nothing is left, and the part that of a random vector: the iteration goes on in the complement.
    """
    residual = _without(_without(image, basis), basis)
    norm = residual.norm(dim=1)
    invariant = norm <= 1e-14 * image.norm(dim=1)
    if bool(invariant.any()):
        complement = _without(_without(random.expand_as(image), basis), basis)
        residual = torch.where(invariant[:, None], complement, residual)
    return residual, torch.where(invariant, 0.0, norm)


def _without(vectors: Tensor, basis: Tensor) -> Tensor:
    """Each vector less its projection on the rows of its basis."""
    return vectors - ((basis @ vectors[:, :, None]).mT @ basis)[:, 0]


def _together(member: Member, device: str) -> int:
    """Number of networks like this one that are evaluated together."""
    inputs, hidden, outputs = widths(member)
    samples = max(len(member.task), len(member.validation or ()))
    numbers = samples * (inputs + 1 + 6 * hidden + 8 * outputs) + (BASIS + 6) * member.net.size
    return max(1, MEMORY.get(torch.device(device).type, MEMORY["cuda"]) // (8 * numbers))


class _Networks:
    """Networks where their runs ended."""

    def __init__(self, members: Sequence[Member], results: Sequence[RunResult], device: str):
        self.members, self.results, self.device = members, results, device
        self.inputs, self.hidden, self.outputs = widths(members[0])
        pairs = zip(members, results, strict=True)
        vectors = np.stack([flatten(member.net, result.params, member.task.x)[0] for member, result in pairs])
        self.first, self.second, self.bias = self._layers(torch.as_tensor(vectors, device=device))
        self.x, self.labels = self._data([member.task for member in members])
        self.truth = torch.nn.functional.one_hot(self.labels, self.outputs).mT.to(torch.float64)

    def final_values(self) -> list[FinalValues]:
        hidden, logits = self._forward(self.x)
        columns = {
            "static_loss": self._static_loss(logits),
            "accuracy": _accuracy(logits, self.labels),
            "sharpness": self._sharpness(hidden, logits),
        }
        if self.members[0].validation is not None:
            x, labels = self._data([member.validation for member in self.members])
            columns["validation_accuracy"] = _accuracy(self._forward(x)[1], labels)
        lists = {name: column.tolist() for name, column in columns.items()}
        return [FinalValues(**{name: values[n] for name, values in lists.items()}) for n in range(len(self.members))]

    def _layers(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[W1; b1], W2 and b2 in flat weights (n, p)."""
        sizes = [(self.inputs + 1) * self.hidden, self.hidden * self.outputs, self.outputs]
        first, second, bias = vectors.split(sizes, dim=1)
        first, second = first.unflatten(1, (-1, self.hidden)), second.unflatten(1, (-1, self.outputs))
        return first, second, bias[:, :, None]

    def _data(self, tasks: Sequence[Task | None]) -> tuple[Tensor, Tensor]:
        """Samples (n, d + 1, P), with a constant 1 for the biases, and labels (n, P)."""
        different = [task for task in (tasks[:1] if all(t is tasks[0] for t in tasks) else tasks) if task is not None]
        x = np.stack([np.vstack([task.x.T, np.ones(len(task))]) for task in different])
        labels = np.stack([task.labels for task in different])
        tensors = torch.as_tensor(x, device=self.device), torch.as_tensor(labels, device=self.device)
        return tensors[0].expand(len(tasks), -1, -1), tensors[1].expand(len(tasks), -1)

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden units (n, H, P) and outputs (n, C, P)."""
        hidden = (self.first.mT @ x).clamp_(min=0)
        return hidden, torch.baddbmm(self.bias, self.second.mT, hidden)

    @property
    def _is_cross_entropy(self) -> bool:
        return isinstance(self.members[0].loss, CrossEntropy)

    def _static_loss(self, logits: Tensor) -> Tensor:
        if self._is_cross_entropy:
            return -(self.truth * logits.log_softmax(dim=1)).sum(dim=(1, 2)) / logits.shape[2]
        return (logits - self.truth).square().mean(dim=(1, 2))

    def _sharpness(self, hidden: Tensor, logits: Tensor) -> Tensor:
        """The largest Hessian eigenvalue of the static loss; NaN for a run that diverged."""
        diverged = torch.tensor([result.diverged for result in self.results], device=self.device)
        values, residuals = largest_eigenvalues(
            self._hessian_product(hidden, logits, ~diverged), len(self.members), self.members[0].net.size, logits
        )
        unsure = int((residuals > 2 * TOLERANCE * values.abs()).sum())
        if unsure:
            warnings.warn(
                f"the sharpness of {unsure} runs is known to {float(residuals.max()):.1g} only: Lanczos' iteration "
                f"has not converged in {RESTARTS} restarts",
                RuntimeWarning,
                stacklevel=2,
            )
        return torch.where(diverged, torch.nan, values)

    def _hessian_product(self, hidden: Tensor, logits: Tensor, alive: Tensor) -> Product:
        """The function that takes v (n, p) to H v, as `MLP.hessian_product` does; to v itself for a run that diverged.

        Source: Pearlmutter, "Fast exact multiplication by the Hessian" (1994).
        """
        samples, on = logits.shape[2], (hidden > 0).to(hidden.dtype)
        probability = logits.softmax(dim=1)
        if self._is_cross_entropy:
            delta = (probability - self.truth) / samples
        else:
            delta = (logits - self.truth) * (2 / (samples * self.outputs))

        def output_curvature(shift: Tensor) -> Tensor:
            """∂²F/∂f² times a shift of the outputs."""
            if not self._is_cross_entropy:
                return shift * (2 / (samples * self.outputs))
            weighted = probability * shift
            return (weighted - probability * weighted.sum(dim=1, keepdim=True)) / samples

        def product(vectors: Tensor) -> Tensor:
            first, second, bias = self._layers(vectors)
            hidden_shift = (first.mT @ self.x) * on
            shift = torch.baddbmm(bias, second.mT, hidden) + self.second.mT @ hidden_shift
            delta_shift = output_curvature(shift)
            back_shift = (self.second @ delta_shift + second @ delta) * on
            in_second = hidden @ delta_shift.mT + hidden_shift @ delta.mT
            in_first = self.x @ back_shift.mT
            image = torch.cat([in_first.flatten(1), in_second.flatten(1), delta_shift.sum(dim=2)], dim=1)
            return torch.where(alive[:, None], image, vectors)

        return product


def _accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(dim=1) == labels).to(torch.float64).mean(dim=1)
