"""From the values or colours of a mask's pixels to the numbers of their classes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ttl.data.task import IGNORE
from ttl.errors import DataError
from ttl.words.mask_values import MaskValues


def class_numbers(codes: npt.NDArray[np.int64], meaning: MaskValues) -> npt.NDArray[np.uint8]:
    """`(h, w)` uint8: the class of each pixel, or `IGNORE`, of `(h, w)` values, or colours as 0xRRGGBB.

    Raises:
        DataError: a value has no meaning.
    """
    numbers = {code: number for number, code in enumerate(meaning.classes)} | dict.fromkeys(meaning.ignored, IGNORE)
    there, places = np.unique(codes, return_inverse=True)
    other = numbers.get(None)
    if other is None and (strange := [code for code in there.tolist() if code not in numbers]):
        what = "colour" if meaning.by_colour else "value"
        raise DataError(f"it has the {what} {meaning.words(strange[0])}, which --mask-values doesn't name")
    table = np.array([numbers.get(code, other) for code in there.tolist()], np.uint8)
    return table[places].reshape(codes.shape)
