"""Classes that are ordered, such as grades."""

from __future__ import annotations

from dataclasses import replace

from ttl.data.records import Records
from ttl.errors import UsageError
from ttl.words.counts import counted

FEWEST = 3
"""Two classes are in some order always: what asks for it would say nothing new."""


def ordered(records: Records) -> Records:
    """The data set with its classes ordered as their names are, and a note that says how.

    Raises:
        UsageError: an image may have several classes, or there are too few.
    """
    kind, number = records.kind, len(records.class_names)
    if not kind.several_classes or number < FEWEST:
        raise UsageError(
            f"--ordinal is for {FEWEST} ordered classes or more, one an image, and {records.name} is {kind} with "
            f"{counted(number, 'class')}: leave it out."
        )
    note = f"The classes are ordered: {' < '.join(records.class_names)}."
    return replace(records, ordinal=True, notes=(*records.notes, note))
