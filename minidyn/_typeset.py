"""Numbers in text that is read, not computed with: a true minus sign, and zero without any sign."""

from __future__ import annotations

import re

# A sign that stands before a number and not within a word, a range such as 2-3, or an exponent such as 1e-9.
_SIGN_OF_ZERO = re.compile(r"(?<![\w.)\]{])[+-](?=0(?:\.0+)?(?!\.?\d))")
_HYPHEN = re.compile(r"(?<![\w.)\]{])-(?=\.?\d)")


def typeset(text: str) -> str:
    """The same text with its numbers as they are printed in a book.

    Examples
    --------
    >>> typeset("-0.3 (-2.5 to -0.0), seeds 2-3, 1e-9")
    '−0.3 (−2.5 to 0.0), seeds 2-3, 1e-9'
    """
    return _HYPHEN.sub("−", _SIGN_OF_ZERO.sub("", text))
