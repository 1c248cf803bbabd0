"""The handwritten digits that come with scikit-learn: one loader for the experiments and for PyTorch."""

from __future__ import annotations

from numpy.typing import NDArray


def handwritten_digits() -> tuple[NDArray, NDArray]:
    """All 1797 digits: (images, labels). No network is needed.

    Returns
    -------
    images : array, shape (1797, 8, 8)
        Grey values, 0 to 16.
    labels : array of int, shape (1797,)

    Raises
    ------
    ImportError
        If scikit-learn is not installed.

    Notes
    -----
    Source: Alpaydin & Kaynak, "Optical recognition of handwritten digits", UCI repository (1998), its test set.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("the digits need scikit-learn: pip install 'minidyn[images]'") from error
    digits = load_digits()
    return digits.images, digits.target
