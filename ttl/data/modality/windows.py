"""Segment an image of any size: whole where it fits, else window by window."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ttl.errors import ModelError, UsageError
from ttl.words.sides import ImageSize, sides_of

Pixels = npt.NDArray[np.float32]
Run = Callable[[Pixels], npt.NDArray[Any]]
Place = tuple[slice, ...]
OVERLAP = 0.5  # of a window's side
SIGMAS = 8  # of the Gaussian that weighs the pixels of a window, in its side
FLOOR = 1e-3  # the least weight of a pixel in a window; the most is 1, in its middle


def segment(
    image: Pixels, run: Run, *, window: ImageSize, divisor: ImageSize, batch_size: int = 4, overlap: float = OVERLAP
) -> Pixels:
    """The logits of every pixel of an image.

    An image that fits into the window is run at once; a larger one in windows, spread evenly, that overlap and whose
    logits are averaged, the middle of a window weighing most (a Gaussian of an eighth of its side, as in nnU-Net).
    A side that the window covers is padded at its end, to a multiple of the divisor and no further: reflected, or
    where it is too short for that its last pixel repeated.

    Args:
        image: `(channels, h, w)` float32, normalised.
        run: takes `(n, channels, H, W)`, H and W multiples of the divisor, and returns logits `(n, classes, H, W)`.
        window: longest sides that are run at once, rounded up to multiples of the divisor; one number for all.
        divisor: what the network needs the sides to be multiples of; one number for all.
        batch_size: windows run at once.
        overlap: share of a window's side that the next one covers again, at least, in [0, 1).

    Returns:
        `(classes, h, w)` float32.

    Raises:
        UsageError: the image has another shape or no pixels, or an option makes no sense.
        ModelError: `run` returned another shape.
    """
    limits = sides_of(window)
    divisors = (divisor,) * len(limits) if isinstance(divisor, int) else tuple(divisor)
    if image.ndim != 3 or not image.size:
        raise UsageError(f"an image to segment must be (channels, height, width), not {image.shape}.")
    for name, value in {"divisor": min(divisors), "batch_size": batch_size}.items():
        if value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}.")
    if not 0 <= overlap < 1:
        raise UsageError(f"overlap must be at least 0 and below 1, not {overlap}.")
    sides = image.shape[1:]
    windows = [divisible(most, of) for most, of in zip(limits, divisors, strict=True)]
    axes = zip(sides, windows, divisors, strict=True)
    padded = _padded(image, [divisible(side, of) if side <= most else side for side, most, of in axes])
    spans = (_spans(side, most, overlap) for side, most in zip(padded.shape[1:], windows, strict=True))
    places = list(product(*spans))
    logits = _logits(run, padded[None])[0] if len(places) == 1 else _averaged(padded, run, places, batch_size)
    return logits[(slice(None), *map(slice, sides))]


def divisible(side: int, divisor: int) -> int:
    """The least multiple of the divisor that is at least `side`."""
    return -(-side // divisor) * divisor


def _averaged(image: Pixels, run: Run, places: list[Place], batch_size: int) -> Pixels:
    """The windows' logits, `(classes, h, w)`, each weighted by how near to its middle a pixel lies."""
    weight = _weight(*(span.stop - span.start for span in places[0]))
    weights = np.zeros(image.shape[1:], np.float32)
    for start in range(0, len(places), batch_size):
        batch = places[start : start + batch_size]
        logits = _logits(run, np.stack([image[:, *place] for place in batch]))
        if start == 0:
            total = np.zeros((logits.shape[1], *weights.shape), np.float32)
        for place, own in zip(batch, logits, strict=True):
            total[:, *place] += own * weight
            weights[place] += weight
    total /= weights
    return total


def _logits(run: Run, windows: Pixels) -> Pixels:
    logits = np.asarray(run(windows), np.float32)
    if logits.ndim != 4 or logits.shape[0] != windows.shape[0] or logits.shape[2:] != windows.shape[2:]:
        raise ModelError(
            f"the model gives {logits.shape} for images {windows.shape}; segmenting takes logits (n, classes, h, w) "
            "of the same height and width."
        )
    return logits


def _spans(side: int, window: int, overlap: float) -> list[slice]:
    """Where the windows lie along a side: evenly spread, the last one ending with it."""
    if side <= window:
        return [slice(0, side)]
    stride = max(1, math.floor(window * (1 - overlap)))
    steps = math.ceil((side - window) / stride)
    starts = [step * (side - window) // steps for step in range(steps + 1)]
    return [slice(start, start + window) for start in starts]


def _weight(height: int, width: int) -> Pixels:
    """`(height, width)`: from 1 in the middle down to `FLOOR`."""
    sigmas = ((np.arange(side) - (side - 1) / 2) / (side / SIGMAS) for side in (height, width))
    rows, columns = (np.exp(-0.5 * away**2) for away in sigmas)
    weight: Pixels = np.maximum(rows[:, None] * columns, FLOOR).astype(np.float32)
    return weight


def _padded(image: Pixels, sides: list[int]) -> Pixels:
    """The image, enlarged at the end of each axis."""
    for axis, side in enumerate(sides, start=1):
        extra = side - image.shape[axis]
        if extra:
            around = [(0, extra if other == axis else 0) for other in range(image.ndim)]
            image = np.pad(image, around, mode="reflect" if extra < image.shape[axis] else "edge")
    return image
