"""Data sets that come with an installed library, so that they need no network."""

from __future__ import annotations

import re

import numpy as np

from ttl.data.records import Records
from ttl.data.sources import ArraySource
from ttl.errors import DataError

BUILTIN = ("digits",)
BRIGHTEST = 16  # scikit-learn's digits count the dark pixels of 4x4 cells


def read_builtin(data: str) -> Records:
    """scikit-learn's handwritten digits, 8x8 grey: `digits`, or `digits:5-9` for some of the classes.

    Raises:
        DataError: no such classes.
    """
    from sklearn.datasets import load_digits

    span = re.fullmatch(r"digits:([0-9])-([0-9])", "digits:0-9" if data == "digits" else data)
    if span is None or int(span[1]) >= int(span[2]):
        raise DataError(f"There are no built-in data {data!r}: write digits, or for instance digits:5-9.")
    wanted = range(int(span[1]), int(span[2]) + 1)
    images, digits = load_digits(return_X_y=True)
    kept = np.flatnonzero(np.isin(digits, wanted))
    pixels = np.rint(images[kept].reshape(-1, 8, 8) * (255 / BRIGHTEST)).astype(np.uint8)
    return Records(
        name=data,
        class_names=tuple(str(digit) for digit in wanted),
        ids=tuple(f"digits/{i}" for i in kept),
        labels=digits[kept].astype(np.int64) - wanted[0],
        source=ArraySource.of(pixels),
    )
