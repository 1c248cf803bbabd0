"""Images to train on: scikit-learn's digits, which need no network, and CIFAR-10, fetched once and checked."""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minidyn import _checks as check
from minidyn._digits import handwritten_digits
from minidyn.torch.inputs import Inputs, by_name, check_inputs, mapped, samples

DIGITS_TRAIN = 1000  # images of the 1797

# The binary version: plain bytes, where the Python version holds pickles, which run code when they are read.
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_TRAIN = 50_000  # images; the others are its test set
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images, or other samples.

    Attributes
    ----------
    x : torch.Tensor, shape (P, channels, height, width), or a mapping of names to such tensors
        float32; over the training images each channel has mean 0 and standard deviation 1. A mapping holds the
        arguments of a model by name, as for Hugging Face's models, of any type and shape (P, ...).
    labels : torch.Tensor, shape (P,)
        int64, 0 to `classes` - 1.
    classes : int
    names : tuple of str
        Of the classes, if they have names.
    """

    x: Any  # Inputs; a tensor in what this package makes
    labels: Tensor
    classes: int
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check.integer("classes", self.classes, least=2)
        check_inputs(self.x, "x")
        if isinstance(self.x, Tensor) and (not self.x.is_floating_point() or self.x.ndim < 2):
            raise TypeError(f"x must hold floating-point numbers (P, ...), got {self.x.dtype} {tuple(self.x.shape)}")
        if not isinstance(self.labels, Tensor):
            raise TypeError(f"labels must be a tensor, got {self.labels!r:.80}")
        if self.labels.dtype != torch.int64:
            raise TypeError(f"labels must be class indices, torch.int64, got {self.labels.dtype}")
        if self.labels.shape != (samples(self.x),):
            raise ValueError(
                f"labels must have shape ({samples(self.x)},), one per image, got {tuple(self.labels.shape)}"
            )
        if self.labels.min() < 0 or self.labels.max() >= self.classes:
            raise ValueError(
                f"labels must lie in 0..{self.classes - 1}, got {int(self.labels.min())}..{int(self.labels.max())}"
            )

        if self.names and len(self.names) != self.classes:
            raise ValueError(f"names must be one per class, {self.classes}, got {len(self.names)}")

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shapes = [" x ".join(map(str, shape)) for shape in self.shapes.values()]
        if not isinstance(self.x, Tensor):
            shapes = [f"{name} ({shape})" for name, shape in zip(self.x, shapes, strict=True)]
        return f"Images({len(self)} of {', '.join(shapes)}, {self.classes} classes)"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of a sample, by the name of each tensor."""
        return {name: tuple(tensor.shape[1:]) for name, tensor in by_name(self.x, "x").items()}

    def samples(self, part: slice) -> tuple[Inputs, Tensor]:
        """Some of the inputs, and their labels."""
        return mapped(lambda tensor: tensor[part], self.x), self.labels[part]

    def to(self, device: Any) -> Images:
        """The same images on a device."""
        return replace(self, x=mapped(lambda tensor: tensor.to(device), self.x), labels=self.labels.to(device))


def digits(train_size: int | None = None, *, seed: int = 0) -> tuple[Images, Images]:
    """Handwritten digits, 8 x 8 pixels: (training, validation). They come with scikit-learn; no network is needed.

    Parameters
    ----------
    train_size : int, optional
        Number of training images, 1 to 1000, the first of the shuffled ones; default all. The 797 validation images
        are the same for every size.
    seed : int
        Of `numpy.random.RandomState`, which shuffles the 1797 images before they are divided.

    Returns
    -------
    train, validation : Images

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    TypeError, ValueError
        If an argument is not an integer in its range.

    Notes
    -----
    Source: Alpaydin & Kaynak, "Optical recognition of handwritten digits", UCI repository (1998), its test set.

    Examples
    --------
    >>> from minidyn.torch import digits
    >>> digits(train_size=200)
    (Images(200 of 1 x 8 x 8, 10 classes), Images(797 of 1 x 8 x 8, 10 classes))
    """
    order, size = _order(1797, DIGITS_TRAIN, train_size, seed)
    pixels, labels = handwritten_digits()
    return standardised(pixels[order, None], labels[order], slice(size), slice(DIGITS_TRAIN, None))


def cifar10(
    train_size: int | None = None, *, seed: int = 0, folder: str | os.PathLike[str] | None = None
) -> tuple[Images, Images]:
    """CIFAR-10, 32 x 32 pixels in colour: (training, validation). Fetched once (170 MB) and checked by its SHA-256.

    Parameters
    ----------
    train_size : int, optional
        Number of training images, 1 to 50,000, the first of the shuffled ones; default all. The 10,000 validation
        images are CIFAR-10's test set.
    seed : int
        Of `numpy.random.RandomState`, which shuffles the training images.
    folder : path-like, optional
        Where the file is kept, or lies already. Default: the system's cache for minidyn.

    Returns
    -------
    train, validation : Images

    Raises
    ------
    ImportError
        If pooch is not installed.
    OSError
        If the file is not there and cannot be fetched.
    ValueError
        If what was fetched is another file, or an argument is out of its range.

    Notes
    -----
    Source: Krizhevsky, "Learning multiple layers of features from tiny images" (2009).

    Examples
    --------
    >>> from minidyn.torch import cifar10
    >>> train, validation = cifar10()  # doctest: +SKIP
    """
    order, size = _order(CIFAR10_TRAIN, CIFAR10_TRAIN, train_size, seed)
    pixels, labels = _read_cifar10(_fetch_cifar10(folder))
    return standardised(pixels, labels, order[:size], slice(CIFAR10_TRAIN, None))


def _fetch_cifar10(folder: str | os.PathLike[str] | None) -> Path:
    try:
        import pooch
    except ImportError as error:
        raise ImportError("cifar10() needs pooch: pip install 'minidyn[images]'") from error
    name, folder = CIFAR10_URL.rsplit("/", 1)[1], Path(folder or pooch.os_cache("minidyn"))
    try:
        return Path(pooch.retrieve(CIFAR10_URL, f"sha256:{CIFAR10_SHA256}", fname=name, path=folder, progressbar=True))
    except OSError as error:
        raise OSError(
            f"CIFAR-10 is not in {folder} and could not be fetched from {CIFAR10_URL}: {error}. "
            f"Without a network, put {name} there yourself, or train on digits()"
        ) from error


def _read_cifar10(path: Path) -> tuple[NDArray, NDArray]:
    """Pixels (60000, 3, 32, 32) and labels, the training images first. An image is a byte for its label, then 3072."""
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    with tarfile.open(path) as archive:
        files = [archive.extractfile(f"cifar-10-batches-bin/{name}") for name in names]
        rows = np.concatenate([np.frombuffer(file.read(), np.uint8).reshape(-1, 3073) for file in files if file])
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0]


def _order(total: int, most: int, train_size: int | None, seed: int) -> tuple[NDArray, int]:
    """A shuffled order of `total` images, and how many of the first `most` to train on."""
    size = most if train_size is None else check.integer("train_size", train_size, least=1, most=most)
    return np.random.RandomState(check.integer("seed", seed, least=0, most=2**32 - 1)).permutation(total), size


def standardised(
    pixels: NDArray, labels: NDArray, train: Any, validation: Any, names: tuple[str, ...] = ()
) -> tuple[Images, Images]:
    """The two parts that the indices pick, each channel shifted and scaled by the training part's mean and deviation.

    Classes are the 10 digits or, if `names` are given, those.
    """
    mean, deviation = (f(pixels[train], axis=(0, 2, 3), keepdims=True).astype(np.float32) for f in (np.mean, np.std))

    def part(index: Any) -> Images:
        x = pixels[index].astype(np.float32)
        x -= mean
        x /= np.maximum(deviation, np.float32(1e-12))
        return Images(torch.from_numpy(x), torch.from_numpy(labels[index].astype(np.int64)), len(names) or 10, names)

    return part(train), part(validation)
