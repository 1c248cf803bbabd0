"""Additions to learn, and the two codes in which a network reads them.

A set of additions is an integer array of pairs, shape (n, 2). McCloskey and Cohen code a digit coarsely, on three
neighbouring units; the adder reads binary digits, least significant first.
"""

from __future__ import annotations

import numbers as abstract
from collections import Counter
from typing import Any

import numpy as np

from minidyn import _checks as check
from minidyn import _renamed

ON, OFF = 0.9, 0.1  # McCloskey and Cohen's target activations
UNITS = 12  # units that code one digit
PLUS = (1, 0, 1, 0)  # the operation's four input units: "+" turns on the first and the third
INT64_DIGITS = 62  # numbers of up to this many binary digits, and their sums, fit into int64


def ones() -> np.ndarray:
    """The ones addition facts: 1+1..9+1 and 1+2..1+9.

    McCloskey and Cohen (1989) train on these 17 facts. Ruiz-Garcia (2022) writes them as 1+1..9+1 and 1+1..1+9:
    as a set, the same.

    Returns
    -------
    ndarray of int, shape (17, 2)

    Examples
    --------
    >>> ones()[:3].tolist()
    [[1, 1], [2, 1], [3, 1]]
    """
    return _facts_with(1)


def twos() -> np.ndarray:
    """The twos addition facts: 1+2..9+2 and 2+1..2+9, 2+2 once. 1+2 and 2+1 are also ones facts.

    Returns
    -------
    ndarray of int, shape (17, 2)

    Examples
    --------
    >>> len(twos())
    17
    """
    return _facts_with(2)


def validation() -> np.ndarray:
    """The single-digit additions that are in neither set, and so never trained on: 3+3..9+9.

    Returns
    -------
    ndarray of int, shape (49, 2)

    Examples
    --------
    >>> validation()[0].tolist(), validation()[-1].tolist()
    ([3, 3], [9, 9])
    """
    return np.array([(a, b) for a in range(3, 10) for b in range(3, 10)])


def without(pairs: Any, others: Any) -> np.ndarray:
    """The pairs that are not among the others, in their order.

    Parameters
    ----------
    pairs, others : array_like of int, shapes (n, 2) and (m, 2)

    Returns
    -------
    ndarray of int, shape (k, 2)

    Examples
    --------
    >>> len(without(ones(), twos()))
    15
    """
    taken = {tuple(pair) for pair in pair_array("others", others)}
    return np.array([pair for pair in pair_array("pairs", pairs) if tuple(pair) not in taken]).reshape(-1, 2)


def all_pairs(bits: int) -> np.ndarray:
    """Every pair of numbers of up to `bits` binary digits.

    Parameters
    ----------
    bits : int
        Binary digits of each number, 1 to 8.

    Returns
    -------
    ndarray of int, shape (4**bits, 2)

    Examples
    --------
    >>> len(all_pairs(3))
    64
    """
    numbers = np.arange(2 ** check.integer("bits", bits, least=1, most=8))
    return np.stack(np.meshgrid(numbers, numbers, indexing="ij"), axis=-1).reshape(-1, 2)


@_renamed.arguments(held_out="validation_fraction")
def split(bits: int, *, validation_fraction: float = 0.25, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Split the pairs of numbers of up to `bits` binary digits at random into training and validation pairs.

    Parameters
    ----------
    bits : int
        Binary digits of each number, 1 to 8.
    validation_fraction : float
        Fraction of the pairs that are set aside for validation, in [0, 1); rounded down to whole pairs.
    seed : int
        Seed of the split.

    Returns
    -------
    training, validation : ndarrays of int, shapes (n, 2) and (m, 2)

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> training, validation = split(3)
    >>> len(training), len(validation)
    (48, 16)
    """
    pairs = all_pairs(bits)
    fraction = check.real("validation_fraction", validation_fraction, least=0)
    if fraction >= 1:
        raise ValueError(f"validation_fraction must be a finite number >= 0 and < 1, got {fraction!r}")
    order = np.random.RandomState(seed_of(seed)).permutation(len(pairs))
    n = int(fraction * len(pairs))
    return pairs[np.sort(order[n:])], pairs[np.sort(order[:n])]


def random_pairs(n: int, bits: int, *, seed: int = 0) -> np.ndarray:
    """Random pairs of numbers, uniform on 0..2**bits - 1. A pair may occur more than once.

    Parameters
    ----------
    n : int
        Number of pairs, at least 1.
    bits : int
        Binary digits of each number, at least 1; there is no upper limit.
    seed : int

    Returns
    -------
    ndarray, shape (n, 2)
        Of int64; of Python integers (dtype object) for more than 62 bits.

    Examples
    --------
    >>> random_pairs(2, 16, seed=1).tolist()
    [[62501, 33003], [12172, 5192]]
    """
    n, bits = check.integer("n", n, least=1), check.integer("bits", bits, least=1)
    random = np.random.RandomState(seed_of(seed))
    if bits <= INT64_DIGITS:
        return random.randint(2**bits, size=(n, 2), dtype=np.int64)
    digits = random.randint(2, size=(2 * n, bits), dtype=np.uint8)
    return from_binary(digits).reshape(n, 2)


def full_carry(pairs: Any) -> np.ndarray:
    """Whether each addition contains the full carry: at some place both binary digits are 1 and a 1 is carried in.

    Of the eight cases (a, b, carry) it is the only one that no ones or twos fact contains.

    Parameters
    ----------
    pairs : array_like of int, shape (n, 2)

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> full_carry([(3, 3), (3, 4)]).tolist()
    [True, False]
    >>> bool(full_carry(ones()).any() or full_carry(twos()).any())
    False
    """
    # a ^ b ^ (a + b) holds the carry into each digit.
    return np.array([(a & b & (a ^ b ^ (a + b))) != 0 for a, b in _python_pairs(pairs)], dtype=bool)


def binary(numbers: Any, digits: int | None = None) -> np.ndarray:
    """Binary digits of non-negative integers, least significant first.

    Parameters
    ----------
    numbers : int, or array_like of int of any shape
        Python integers may have any length.
    digits : int, optional
        Number of digits of each number; default: as many as the largest number needs, at least 1.

    Returns
    -------
    ndarray of uint8, shape numbers.shape + (digits,)

    Raises
    ------
    TypeError
        If a number is not an integer.
    ValueError
        If a number is negative or does not fit into `digits`.

    Examples
    --------
    >>> binary(6, 4).tolist()
    [0, 1, 1, 0]
    """
    values = whole("numbers", numbers)
    largest = int(values.max()) if values.size else 0
    needed = max(1, largest.bit_length())
    digits = needed if digits is None else check.integer("digits", digits, least=1)
    if needed > digits:
        raise ValueError(f"numbers must fit into digits={digits}, that is be at most {2**digits - 1}, got {largest}")
    if values.dtype != object:
        places = np.minimum(np.arange(digits), 63)
        return (values[..., None] >> places & 1).astype(np.uint8)
    size = -(-digits // 8)
    data = b"".join(int(n).to_bytes(size, "little") for n in values.ravel())
    octets = np.frombuffer(data, dtype=np.uint8).reshape(*values.shape, size)
    return np.unpackbits(octets, axis=-1, bitorder="little")[..., :digits]


def from_binary(digits: Any) -> np.ndarray:
    """The numbers with the given binary digits, least significant first: the inverse of `binary`.

    Parameters
    ----------
    digits : array_like of 0 and 1, or of bool, shape (..., n)

    Returns
    -------
    ndarray of int64, shape (...)
        Of Python integers (dtype object) for more than 62 digits.

    Raises
    ------
    ValueError
        If a digit is not 0 or 1, or if there is none.

    Examples
    --------
    >>> from_binary([[0, 1, 1, 0], [1, 0, 0, 1]]).tolist()
    [6, 9]
    """
    bits = np.asarray(digits)
    if not bits.ndim or not bits.shape[-1] or not ((bits == 0) | (bits == 1)).all():
        raise ValueError(f"digits must be 0 or 1, at least one for each number, got {digits!r:.80}")
    if bits.shape[-1] <= INT64_DIGITS:
        return bits.astype(np.int64) @ (1 << np.arange(bits.shape[-1]))
    octets = np.packbits(bits == 1, axis=-1, bitorder="little")
    numbers = [int.from_bytes(row.tobytes(), "little") for row in octets.reshape(-1, octets.shape[-1])]
    return np.array(numbers, dtype=object).reshape(bits.shape[:-1])


def coarse(digit: Any) -> np.ndarray:
    """McCloskey and Cohen's coarse code of a decimal digit: digit d turns on units d+1, d+2 and d+3 of 12.

    Parameters
    ----------
    digit : int, or array_like of int
        0 to 9.

    Returns
    -------
    ndarray of 0. and 1., shape digit.shape + (12,)

    Examples
    --------
    >>> coarse(2).astype(int).tolist()
    [0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    """
    digits = at_most("digit", whole("digit", digit), 9).astype(int)[..., None]
    unit = np.arange(UNITS)
    return ((unit >= digits) & (unit <= digits + 2)).astype(float)


def coarse_inputs(pairs: Any) -> np.ndarray:
    """McCloskey and Cohen's 28 input units for additions of two digits: 12 + 12 for the digits, 4 for "+".

    Parameters
    ----------
    pairs : array_like of int, shape (..., 2)
        Digits, 0 to 9.

    Returns
    -------
    ndarray of 0. and 1., shape (..., 28)
    """
    values = at_most("pairs", whole("pairs", pairs), 9)
    if values.shape[-1:] != (2,):
        raise ValueError(f"pairs must have shape (..., 2), got {values.shape}")
    operation = np.broadcast_to(np.array(PLUS, dtype=float), values.shape[:-1] + (len(PLUS),))
    return np.concatenate([coarse(values[..., 0]), coarse(values[..., 1]), operation], axis=-1)


def coarse_targets(sums: Any) -> np.ndarray:
    """McCloskey and Cohen's 24 output units for a sum: 12 for its tens, 12 for its ones; 0.9 is on, 0.1 off.

    Parameters
    ----------
    sums : int, or array_like of int
        0 to 99.

    Returns
    -------
    ndarray of 0.9 and 0.1, shape sums.shape + (24,)
    """
    tens, unit = np.divmod(at_most("sums", whole("sums", sums), 99).astype(int), 10)
    return OFF + (ON - OFF) * np.concatenate([coarse(tens), coarse(unit)], axis=-1)


def whole(name: str, value: Any) -> np.ndarray:
    """`value` as an array of non-negative integers (int64, or Python integers if one of them is longer)."""
    numbers = value if isinstance(value, np.ndarray) else np.array(value, dtype=object)
    if not np.issubdtype(numbers.dtype, np.integer):
        bad = [n for n in numbers.ravel() if isinstance(n, bool) or not isinstance(n, abstract.Integral)]
        if bad:
            raise TypeError(f"{name} must be an integer or integers, got {bad[0]!r:.80}")
    if numbers.size and numbers.min() < 0:
        raise ValueError(f"{name} must be >= 0, got {numbers.min()}")
    long = numbers.size and int(numbers.max()).bit_length() > INT64_DIGITS
    return numbers.astype(object if long else np.int64, copy=False)


def pair_array(name: str, value: Any) -> np.ndarray:
    """`value` as an array (n, 2) of non-negative integers, n at least 1."""
    pairs = whole(name, value)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise ValueError(f"{name} must have shape (n, 2) with n >= 1, got {pairs.shape}")
    return pairs


def distinct_pairs(name: str, value: Any) -> np.ndarray:
    """`value` as an array (n, 2) of non-negative integers, in which no pair occurs twice."""
    pairs = pair_array(name, value)
    counts = Counter(map(tuple, pairs.tolist()))
    repeated = next((pair for pair, count in counts.items() if count > 1), None)
    if repeated:
        raise ValueError(f"{name} must contain each pair only once, got {repeated} {counts[repeated]} times")
    return pairs


def at_most(name: str, values: np.ndarray, largest: int) -> np.ndarray:
    """`values`, if none of them is larger than `largest`."""
    if values.size and values.max() > largest:
        raise ValueError(f"{name} must be between 0 and {largest}, got {values.max()}")
    return values


def seed_of(value: Any, name: str = "seed") -> int:
    """`value` as a seed of numpy.random.RandomState."""
    return check.integer(name, value, least=0, most=2**32 - 1)


def seeds_of(value: Any) -> list[int]:
    """`value` as a list of different seeds, at least one."""
    if not np.iterable(value) or isinstance(value, (str, bytes)):
        raise TypeError(f"seeds must be integers, such as range(100), got {value!r}")
    seeds = [seed_of(seed, "seeds") for seed in value]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be at least one and all different, got {value!r:.80}")
    return seeds


def _facts_with(n: int) -> np.ndarray:
    first = [(a, n) for a in range(1, 10)]
    return np.array(first + [(n, b) for b in range(1, 10) if b != n])


def _python_pairs(pairs: Any) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in pair_array("pairs", pairs)]


_renamed.names(__name__, unseen=f"{__name__}.validation")
