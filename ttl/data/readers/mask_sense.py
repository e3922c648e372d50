"""Masks whose values can't be classes: instance numbers, smoothed edges, and more values than anyone names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ttl.data.modality.facts import MaskFacts
from ttl.data.modality.image import Pixels
from ttl.data.modality.mask_file import WHITE
from ttl.errors import DataError
from ttl.words.counts import listed

BACKGROUND = 0
MANY = 64  # classes that nobody names; the largest public sets without names have fewer
HIGHEST_LEAST = 5  # the least that the largest instance number is: fewer may be classes that come one after the other
DIFFERENT = 3  # largest numbers that occur at least: classes are mostly all there
IN_ORDER = 0.95  # of the masks number their instances from 1 on without gaps
WHOLE = 0.9  # of the values of a mask are one connected piece, each
SAMPLE = 12  # masks that are searched for pieces
PIECES = 40  # values of each that are
SMOOTHED_FEW = 8  # values beside black and white, from which on edges were smoothed
SHOWN = 3


def check_sense(place: str, masks: Mapping[str, MaskFacts], read: Callable[[str], Pixels]) -> None:
    """Refuses values that nobody named and that are no classes, by what they look like.

    Args:
        place: what messages call the set.
        masks: by id.
        read: gives the values of a mask.

    Raises:
        DataError: with what to do.
    """
    counts = np.sum([facts.counts for facts in masks.values()], axis=0)
    between = np.flatnonzero(counts[1:WHITE]) + 1
    mostly = counts[0] and counts[WHITE] and counts[[0, WHITE]].sum() > counts.sum() / 2
    if mostly and len(between) > SMOOTHED_FEW and between.max() > WHITE // 2:
        raise DataError(
            f"The masks of {place} have {len(between)} values between 0 and 255, as smoothed edges have: save them "
            "with 0 and 255 alone (resize them by nearest neighbour), or take all but 0 for foreground with "
            "--mask-values 0,other."
        )
    if _number_instances(masks, read):
        largest = sorted(masks, key=lambda name: -int(max(masks[name].values - {WHITE}, default=0)))
        raise DataError(
            f"The masks of {place} look like numbers of instances (cells, nuclei ...), up to "
            f"{max(masks[largest[0]].values)} in {listed(largest, SHOWN)}: classes are needed; take all but 0 for "
            "foreground with --mask-values 0,other."
        )
    if len(between) > MANY:
        raise DataError(
            f"The masks of {place} have {len(between)} values besides 0 and 255, too many to be classes without names: "
            "name all in a classes.txt, or say which value is which class with --mask-values."
        )


def _number_instances(masks: Mapping[str, MaskFacts], read: Callable[[str], Pixels]) -> bool:
    """Whether values count pieces: up to another number in each mask, and each value is one piece."""
    own = {name: sorted(facts.values - {BACKGROUND, WHITE}) for name, facts in masks.items()}
    tops = {name: values[-1] for name, values in own.items() if values}
    if not tops or max(tops.values()) < HIGHEST_LEAST or len({*tops.values()}) < DIFFERENT:
        return False
    in_order = sum(own[name] == [*range(1, top + 1)] for name, top in tops.items())
    many = len({value for values in own.values() for value in values}) > MANY // 2
    if in_order < IN_ORDER * len(tops) and not many:
        return False
    sample = sorted(tops, key=lambda name: (-tops[name], name))[:SAMPLE]
    whole = [_is_one_piece(pixels, value) for name in sample for pixels in [read(name)] for value in own[name][:PIECES]]
    return sum(whole) >= WHOLE * len(whole)


def _is_one_piece(pixels: Pixels, value: int) -> bool:
    from scipy.ndimage import label  # heavy, and seldom needed

    rows, columns = np.nonzero(pixels == value)
    box = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] == value
    return int(label(box, np.ones((3, 3)))[1]) == 1
