"""One image under two labels, or with two masks: counted, and the first of them named."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ttl.data.likeness import Matches
from ttl.data.task import MISSING, Labels, Samples, label_words
from ttl.words.counts import counted

NAMED = 3  # pairs that a message names


def says(samples: Mapping[str, Samples]) -> dict[str, Labels]:
    """What each sample is labelled with, by split: a class `(n,)`, labels `(n, classes)`, or the number of its mask.

    Masks have one number where they are equal.
    """
    number: dict[bytes, int] = {}
    said = {}
    for split, part in samples.items():
        if part.masks is None:
            said[split] = part.labels
        else:
            digests = (part.masks.digests[i] for i in part.index)
            said[split] = np.array([number.setdefault(digest, len(number)) for digest in digests], np.int64)
    return said


def differ(one: Labels, other: Labels) -> npt.NDArray[np.bool_]:
    """`(n,)`: whether two labels can't both be right, row by row; one that isn't known contradicts none."""
    different: npt.NDArray[np.bool_] = one != other
    if one.ndim == 2:
        different = (different & (one != MISSING) & (other != MISSING)).any(axis=1)
    return different


def disagree(labels: Labels) -> bool:
    """Whether not all of these labels can be right, of one image."""
    if labels.ndim == 2:
        return bool(((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).any())
    return len(np.unique(labels)) > 1


class Contradictions:
    """What is found among pairs of images that show the same.

    Attributes:
        number: of pairs of equal images (True), and of nearly equal ones (False).
        first: `NAMED` of them at most, in words.
    """

    def __init__(self, samples: Mapping[str, Samples], class_names: tuple[str, ...]) -> None:
        self.number = {True: 0, False: 0}
        self.first: dict[bool, list[str]] = {True: [], False: []}
        self._samples, self._class_names, self._said = samples, class_names, says(samples)

    def add(self, a: str, b: str, found: Matches) -> None:
        """Those among such pairs of two splits, or of one."""
        wrong = differ(self._said[a][found.a], self._said[b][found.b])
        for is_equal, first in self.first.items():
            chosen = np.flatnonzero(wrong & (found.same == is_equal))
            self.number[is_equal] += len(chosen)
            for place in chosen[: NAMED - len(first)].tolist():
                first.append(self._words(a, int(found.a[place]), b, int(found.b[place])))

    def _words(self, a: str, i: int, b: str, j: int) -> str:
        """The two ids, each with its label in brackets: of several those that differ, of masks none."""
        one, other, names = self._samples[a].labels[i], self._samples[b].labels[j], self._class_names
        ids = self._samples[a].ids[i], self._samples[b].ids[j]
        if self._samples[a].masks is not None:
            return " = ".join(ids)
        if one.ndim:
            places = np.flatnonzero((one != other) & (one != MISSING) & (other != MISSING))
            one, other, names = one[places], other[places], tuple(names[k] for k in places)
        words = (label_words(names, label) for label in (one, other))
        return " = ".join(f"{name} ({label})" for name, label in zip(ids, words, strict=True))

    def notes(self, remedy: str) -> list[str]:
        """None where nothing contradicts; the remedy is a sentence."""
        what = "masks" if any(part.masks is not None for part in self._samples.values()) else "labels"
        return [
            f"Contradiction: {counted(number, 'pair')} of {'equal' if is_equal else 'nearly equal'} images "
            f"{'has' if number == 1 else 'have'} different {what}: {_first(self.first[is_equal], number)}. {remedy}"
            for is_equal, number in self.number.items()
            if number
        ]


def _first(pairs: list[str], number: int) -> str:
    """Some of so many pairs."""
    return ", ".join(pairs) + (f" and {number - len(pairs)} more" if number > len(pairs) else "")
