"""Labels that exclude each other: columns of 1 and 0 of which each image has exactly one 1 are classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ttl.data.records import Records
from ttl.errors import DataError, UsageError
from ttl.words.counts import counted, listed

SHOWN = 3


def with_exclusive(records: Records, asked: bool) -> Records:
    """The data set with one class an image where that is asked for; else with a note where it could be.

    Raises:
        UsageError: images have one class each anyway, or masks.
        DataError: an image has several of the labels, or none.
    """
    if not asked:
        note = (
            f"Each image has exactly one of the labels {listed(records.class_names)}: where they exclude each other, "
            "give --exclusive, which makes them classes."
        )
        return replace(records, notes=(*records.notes, note)) if is_exclusive(records) else records
    if records.masks is not None or records.labels.ndim == 1:
        raise UsageError(
            f"--exclusive is for labels of several columns, and {records.name} is {records.kind}: leave it out."
        )
    if wrong := np.flatnonzero(_present(records) != 1).tolist():
        images = listed((f"{records.ids[i]} has {_present(records)[i]}" for i in wrong), SHOWN)
        raise DataError(
            f"{counted(len(wrong), 'image')} of {records.name} have not exactly one of the labels ({images}): correct "
            "them, or leave out --exclusive, for labels of which an image may have several."
        )
    return as_classes(records)


def is_exclusive(records: Records) -> bool:
    """Whether each image has exactly one of several labels."""
    several = records.masks is None and records.labels.ndim == 2 and len(records.class_names) > 1
    return several and bool((_present(records) == 1).all())


def as_classes(records: Records) -> Records:
    """Exclusive labels as classes, in their order."""
    return replace(records, labels=np.argmax(records.labels == 1, axis=1).astype(np.int64))


def _present(records: Records) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray((records.labels == 1).sum(axis=1), np.int64)
