"""Additions to learn, and the two codes in which a network reads them.

A set of additions is an integer array of pairs (n, 2). McCloskey and Cohen code a digit coarsely, on three
neighbouring units; the adder reads binary digits, least significant first.
"""

from __future__ import annotations

import numbers as abstract
from typing import Any

import numpy as np

from minidyn import _checks as check

ON, OFF = 0.9, 0.1  # McCloskey and Cohen's target activations
UNITS = 12  # units that code one digit
PLUS = (1, 0, 1, 0)  # the operation's four input units: "+" turns on the first and the third


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


def unseen() -> np.ndarray:
    """The single-digit additions in neither set: 3+3..9+9.

    Returns
    -------
    ndarray of int, shape (49, 2)

    Examples
    --------
    >>> unseen()[0].tolist(), unseen()[-1].tolist()
    ([3, 3], [9, 9])
    """
    return np.array([(a, b) for a in range(3, 10) for b in range(3, 10)])


def without(pairs: Any, others: Any) -> np.ndarray:
    """The pairs that are not among the others, in order.

    Examples
    --------
    >>> len(without(ones(), twos()))
    15
    """
    taken = {tuple(pair) for pair in pair_array("others", others)}
    return np.array([pair for pair in pair_array("pairs", pairs) if tuple(pair) not in taken]).reshape(-1, 2)


def all_pairs(bits: int) -> np.ndarray:
    """Every pair of numbers of up to `bits` binary digits, shape (4**bits, 2). `bits` is at most 8.

    Examples
    --------
    >>> len(all_pairs(3))
    64
    """
    numbers = np.arange(2 ** check.integer("bits", bits, least=1, most=8))
    return np.stack(np.meshgrid(numbers, numbers, indexing="ij"), axis=-1).reshape(-1, 2)


def split(bits: int, *, held_out: float = 0.25, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of `bits`-digit numbers, dealt at random into pairs to show and pairs to hold out.

    Parameters
    ----------
    bits : int
        Binary digits of each number, 1 to 8.
    held_out : float
        Fraction of the pairs never shown, in [0, 1); rounded down to whole pairs.
    seed : int
        Seed of the deal.

    Returns
    -------
    shown, unseen : ndarrays of int, shapes (n, 2) and (m, 2)

    Examples
    --------
    >>> [len(part) for part in split(3)]
    [48, 16]
    """
    pairs = all_pairs(bits)
    held_out = check.real("held_out", held_out, least=0)
    if held_out >= 1:
        raise ValueError(f"held_out must be a finite number >= 0 and < 1, got {held_out!r}")
    order = np.random.RandomState(seed_of(seed)).permutation(len(pairs))
    n = int(held_out * len(pairs))
    return pairs[np.sort(order[n:])], pairs[np.sort(order[:n])]


def random_pairs(n: int, bits: int, *, seed: int = 0) -> np.ndarray:
    """`n` random pairs of numbers, uniform on 0..2**bits - 1, of any length.

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
    if bits <= 62:
        return random.randint(2**bits, size=(n, 2), dtype=np.int64)
    digits = random.randint(2, size=(2 * n, bits), dtype=np.uint8)
    numbers = [int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little") for row in digits]
    return np.array(numbers, dtype=object).reshape(n, 2)


def full_carry(pairs: Any) -> np.ndarray:
    """Which additions meet the full carry: both binary digits 1 while a 1 is carried in.

    It is the one case of the eight (a, b, carry) that no ones or twos fact contains.

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
    >>> full_carry(ones()).any() or full_carry(twos()).any()
    np.False_
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
        How many digits to write; default: as many as the largest needs, at least 1.

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
    found = whole("numbers", numbers)
    largest = int(found.max()) if found.size else 0
    needed = max(1, largest.bit_length())
    digits = needed if digits is None else check.integer("digits", digits, least=1)
    if needed > digits:
        raise ValueError(f"numbers must fit into digits={digits}, that is be at most {2**digits - 1}, got {largest}")
    if found.dtype != object:
        places = np.minimum(np.arange(digits), 63)
        return (found[..., None] >> places & 1).astype(np.uint8)
    size = -(-digits // 8)
    data = b"".join(int(n).to_bytes(size, "little") for n in found.ravel())
    octets = np.frombuffer(data, dtype=np.uint8).reshape(*found.shape, size)
    return np.unpackbits(octets, axis=-1, bitorder="little")[..., :digits]


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
    digits = _at_most("digit", whole("digit", digit), 9).astype(int)[..., None]
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
    found = _at_most("pairs", whole("pairs", pairs), 9)
    if found.shape[-1:] != (2,):
        raise ValueError(f"pairs must have shape (..., 2), got {found.shape}")
    operation = np.broadcast_to(np.array(PLUS, dtype=float), found.shape[:-1] + (len(PLUS),))
    return np.concatenate([coarse(found[..., 0]), coarse(found[..., 1]), operation], axis=-1)


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
    tens, unit = np.divmod(_at_most("sums", whole("sums", sums), 99).astype(int), 10)
    return OFF + (ON - OFF) * np.concatenate([coarse(tens), coarse(unit)], axis=-1)


def whole(name: str, value: Any) -> np.ndarray:
    """`value` as an array of non-negative integers (int64, or Python integers where they are longer)."""
    found = value if isinstance(value, np.ndarray) else np.array(value, dtype=object)
    if not np.issubdtype(found.dtype, np.integer):
        bad = [n for n in found.ravel() if isinstance(n, bool) or not isinstance(n, abstract.Integral)]
        if bad:
            raise TypeError(f"{name} must be an integer or integers, got {bad[0]!r:.80}")
    if found.size and found.min() < 0:
        raise ValueError(f"{name} must be >= 0, got {found.min()}")
    long = found.size and int(found.max()).bit_length() > 62  # leaves room for a sum
    return found.astype(object if long else np.int64, copy=False)


def pair_array(name: str, value: Any) -> np.ndarray:
    """`value` as an array (n, 2) of non-negative integers, n at least 1."""
    found = whole(name, value)
    if found.ndim != 2 or found.shape[1] != 2 or not len(found):
        raise ValueError(f"{name} must have shape (n, 2) with n >= 1, got {found.shape}")
    return found


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


def _at_most(name: str, found: np.ndarray, most: int) -> np.ndarray:
    if found.size and found.max() > most:
        raise ValueError(f"{name} must be between 0 and {most}, got {found.max()}")
    return found


def _python_pairs(pairs: Any) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in pair_array("pairs", pairs)]
