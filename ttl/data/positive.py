"""Which classes are the finding, of which sensitivity and precision speak; of two it is the positive one, class 1."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ttl.data.records import Records
from ttl.errors import UsageError
from ttl.words.counts import listed

ABSENT = re.compile(
    "normal|healthy|negative|neg|no|non|not|none|without|benign|controls?|absent|absence|unaffected|uninfected|good|ok"
)
"""Words of a class name that say that nothing was found."""
DENYING = ("no", "non", "not", "un")
"""Before the other class's name in one word: noncovid, uninfected."""


def with_positive(records: Records, asked: tuple[str, ...]) -> Records:
    """The data set with its finding, and a note that names it.

    Of two classes it becomes class 1. By itself it is the one whose name doesn't mean the absence of a finding where
    the other's does; else the second. Of more than two classes it is those that are asked for, which stay where they
    are.

    Raises:
        UsageError: a class that is asked for isn't there or is named twice, nothing would be left against the finding,
            or the task has none.
    """
    kind = records.kind
    if not asked and not kind.has_positive:
        return records
    if not (kind.has_positive or kind.several_classes):
        raise UsageError(
            f"--positive names the finding where each image has one class, and {records.name} is {kind}: leave it out."
        )
    if strange := [name for name in asked if name not in records.class_names]:
        raise UsageError(
            f"--positive {strange[0]} is no class of {records.name}: there are {listed(records.class_names)}."
        )
    if twice := [name for name in dict.fromkeys(asked) if asked.count(name) > 1]:
        raise UsageError(f"--positive names {twice[0]} more than once: name each class of the finding once.")
    if kind.has_positive:
        return _of_two(records, asked)
    others = [name for name in records.class_names if name not in asked]
    if not others:
        raise UsageError(f"--positive names every class of {records.name}: leave out those without the finding.")
    finding = tuple(name for name in records.class_names if name in asked)
    note = f"The finding is {listed(finding)}, against {listed(others)}."
    return replace(records, finding=finding, notes=(*records.notes, note))


def _of_two(records: Records, asked: tuple[str, ...]) -> Records:
    first, second = records.class_names
    if len(asked) > 1:
        raise UsageError(f"--positive names both classes of {records.name}: give {first} or {second}.")
    by_name = means_absence(second, first) and not means_absence(first, second)
    swapped = first in asked if asked else by_name
    positive, other = (first, second) if swapped else (second, first)
    other_way = "" if asked else f"; --positive {other} makes it the other"
    notes = (*records.notes, f"The positive class is {positive}, against {other}{other_way}.")
    labels = np.asarray(1 - records.labels) if swapped else records.labels
    names = (other, positive)
    return replace(records, class_names=names, labels=labels, finding=(positive,), swapped=swapped, notes=notes)


def means_absence(name: str, other: str) -> bool:
    """Whether a class name plainly says that the finding isn't there; `other` is the other class's."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    joined, finding = "".join(words), "".join(re.split(r"[\W_]+", other.lower()))
    return any(map(ABSENT.fullmatch, words)) or (bool(finding) and joined in {denial + finding for denial in DENYING})
