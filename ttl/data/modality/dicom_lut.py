"""Lookup tables of DICOM files: of values, of greys and of colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError

ENTRIES = 2**16  # where the descriptor, of 16 bits, says 0
DEPTHS = (8, 10, 12, 14, 16)  # bits that an entry may have
HIGHER_BYTE, LARGEST_BYTE = 2**8, 2**8 - 1
Values = npt.NDArray[np.float64]
Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class LookUp:
    """Entries `(n,)` for the values from `first` on; what lies before or behind has the first or last one."""

    entries: Array
    first: int

    def __call__(self, values: Array) -> Array:
        """The entry of each value, in the values' shape."""
        places = np.rint(np.asarray(values, np.float64)) - self.first
        found: Array = self.entries[np.clip(places, 0, len(self.entries) - 1).astype(np.int64)]
        return found


def lookup_of(descriptor: Any, data: Any, *, little_endian: bool, lowest: float) -> LookUp:
    """A table from its descriptor (entries, first value, bits) and its data: bytes, or numbers (PS3.3, C.11.1.1).

    Entries of 8 bits lie in bytes or in words. `lowest` is the least value that will be looked up: where it is below 0,
    a first value of 2**15 and more is a negative one that was read without its sign.

    Raises:
        DataError: there are fewer entries than the descriptor says.
    """
    count, first = int(descriptor[0]) % ENTRIES or ENTRIES, int(descriptor[1])
    if isinstance(data, bytes | bytearray):
        in_words = len(data) >= 2 * count
        entries = np.frombuffer(data, ("<u2" if little_endian else ">u2") if in_words else np.uint8)
    else:
        entries = np.atleast_1d(np.asarray(data, np.int64)) % ENTRIES
    if len(entries) < count:
        raise DataError(f"its lookup table has {len(entries)} entries of {count}: it is damaged")
    return LookUp(entries[:count].astype(np.int64), first - ENTRIES if lowest < 0 and first >= ENTRIES // 2 else first)


def white_of(entries: Array) -> int:
    """The value that is white: that of the fewest usual bits which hold all entries.

    Descriptors say 16 bits of entries that have 8 or 12, and then all would be nearly black; or the 8 bits lie in the
    higher byte of a word alone.
    """
    top = int(entries.max(initial=0))
    if top >= HIGHER_BYTE and not (entries % HIGHER_BYTE).any():
        return LARGEST_BYTE * HIGHER_BYTE
    return next((2**bits - 1 for bits in DEPTHS if top < 2**bits), top)
