"""Which of two classes is the finding: the positive one, class 1, of which sensitivity and precision speak."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ttl.data.records import Records
from ttl.errors import UsageError

ABSENT = re.compile(
    "normal|healthy|negative|neg|no|non|not|none|without|benign|controls?|absent|absence|unaffected|uninfected|good|ok"
)
"""Words of a class name that say that nothing was found."""
DENYING = ("no", "non", "not", "un")
"""Before the other class's name in one word: noncovid, uninfected."""


def with_positive(records: Records, asked: str | None) -> Records:
    """A data set of two classes with the positive one as class 1, and a note that names it.

    By itself it is the one whose name doesn't mean the absence of a finding where the other's does; else the second.

    Raises:
        UsageError: the class that is asked for isn't there, or there aren't two.
    """
    if not records.kind.has_positive:
        if asked is not None:
            raise UsageError(
                f"--positive names the finding where there are two classes, and {records.name} is {records.kind} with "
                f"{len(records.class_names)}: leave it out."
            )
        return records
    first, second = records.class_names
    if asked is not None and asked not in records.class_names:
        raise UsageError(f"--positive {asked} is no class of {records.name}: give {first} or {second}.")
    swapped = asked == first or (asked is None and means_absence(second, first) and not means_absence(first, second))
    positive, other = (first, second) if swapped else (second, first)
    other_way = "" if asked is not None else f"; --positive {other} makes it the other"
    notes = (*records.notes, f"The positive class is {positive}, against {other}{other_way}.")
    if not swapped:
        return replace(records, notes=notes)
    return replace(records, class_names=(second, first), labels=np.asarray(1 - records.labels), notes=notes)


def means_absence(name: str, other: str) -> bool:
    """Whether a class name plainly says that the finding isn't there; `other` is the other class's."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    joined, finding = "".join(words), "".join(re.split(r"[\W_]+", other.lower()))
    return any(map(ABSENT.fullmatch, words)) or (bool(finding) and joined in {denial + finding for denial in DENYING})
