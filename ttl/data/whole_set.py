"""A data set taken whole, to try a model on: not split, and labelled with the model's classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ttl.data.duplicates import NAMED, compared, find_duplicates, keep_together
from ttl.data.exclusive import as_classes, is_exclusive
from ttl.data.kind import Kind
from ttl.data.modality.rendering import AS_FILED, Rendering
from ttl.data.read_task import meaning_of, read_records
from ttl.data.readers.readable import Reading
from ttl.data.readers.table_file import NO_COLUMNS, Columns
from ttl.data.readers.table_text import TABLES
from ttl.data.records import Records
from ttl.data.sources import MaskSource
from ttl.data.task import IGNORE, MISSING, SPLITS, Labels, Samples, Task, class_counts, picked
from ttl.errors import DataError
from ttl.words.counts import counted, listed


@dataclass(frozen=True)
class Classes:
    """What a model tells apart; for what isn't explained see `Task`."""

    kind: Kind
    names: tuple[str, ...]
    finding: tuple[str, ...] = ()
    ordinal: bool = False


def load_whole(
    data: str | Path,
    classes: Classes,
    *,
    columns: Columns = NO_COLUMNS,
    rendering: Rendering = AS_FILED,
    mask_values: str | None = None,
    skip_bad: bool = False,
) -> Task:
    """All images of a labelled data set as `test`; `train` and `val` are empty.

    A folder of one class folder will do, where the model knows the class. Splits that the data bring are left aside,
    with a note. The labels are the numbers that the model gives its classes, which are found by their names; a class of
    the model that the data lack is named in a note, and a label that they lack counts as unknown.

    Args:
        data: as `load_task` takes it, as are the `columns` and `skip_bad`.
        rendering: of its images, where it is of files.
        mask_values: of its masks, as `load_task` takes them.
        classes: the model's.

    Raises:
        DataError: the data can't be used as they are, are of another kind, or have a class that the model hasn't.
    """
    of_files = Path(data).is_dir() or Path(data).suffix.lower() in TABLES
    shown = rendering if of_files else AS_FILED
    known = classes.names if classes.kind.one_class_each else ()
    reading = Reading(shown, skip_bad, meaning_of(mask_values), classes.kind.per_pixel, known)
    records = read_records(data, columns, reading)
    if classes.kind.one_class_each and is_exclusive(records):
        records = as_classes(records)
    _check_kind(records, classes)
    if _is_numbered(classes.names, len(records.class_names)) and not {*records.class_names} <= {*classes.names}:
        records = replace(records, class_names=tuple(map(str, range(len(records.class_names)))))
    if strangers := [name for name in records.class_names if name not in classes.names]:
        raise DataError(
            f"{records.name} has {'the class' if len(strangers) == 1 else 'the classes'} {listed(strangers)}, and the "
            f"model knows {listed(classes.names)}: name the classes as the model does, or leave those images out."
        )
    labels, masks = _relabelled(records, classes.names)
    index = np.arange(len(records))
    everything = Samples(
        records.ids, labels, records.source, index, records.groups, masks, attributes=dict(records.attributes)
    )
    return Task(
        name=records.name,
        kind=classes.kind,
        class_names=classes.names,
        train=_some(everything, ()),
        val=_some(everything, ()),
        test=everything,
        fingerprint=records.fingerprint(),
        finding=classes.finding,
        ordinal=classes.ordinal or records.ordinal,
        unknown_patients=records.unknown_patients,
        notes=(
            *_split_note(records),
            *_absent(records, classes, labels),
            *_repeated(everything, classes),
            *records.notes,
        ),
    )


def without(task: Task, ids: Collection[str]) -> Task:
    """The same without some samples of `test`, by their ids."""
    left = [position for position, sample in enumerate(task.test.ids) if sample not in ids]
    return replace(task, test=_some(task.test, left))


def _check_kind(records: Records, classes: Classes) -> None:
    """Refuse masks for a classifier, images of one class for several labels, and so on."""
    of_masks, of_labels = records.masks is not None, records.labels.ndim == 2
    exclusive = classes.kind.one_class_each
    if of_masks != classes.kind.per_pixel or (not of_masks and of_labels == exclusive):
        has = "masks" if of_masks else "several labels an image" if of_labels else "one class an image"
        needs = "masks" if classes.kind.per_pixel else "one class an image" if exclusive else "several labels an image"
        raise DataError(f"{records.name} has {has}, and the model is for {needs}: give data of its kind.")


def _is_numbered(names: Sequence[str], classes: int) -> bool:
    """Whether a model's classes are numbers, as those of an .npz are that nobody named: they are its labels then."""
    return sorted(names) == sorted(map(str, range(classes)))


def _relabelled(records: Records, names: Sequence[str]) -> tuple[Labels, MaskSource | None]:
    """Labels, and masks where there are any, by the model's numbers of the classes."""
    number = np.array([names.index(name) for name in records.class_names], np.int64)
    if records.labels.ndim == 1:
        return number[records.labels], None
    if records.masks is None:
        labels = np.full((len(records), len(names)), MISSING, np.int64)
        labels[:, number] = records.labels
        return labels, None
    table = np.array([value if value == IGNORE else number[value] for value in records.masks.table.tolist()], np.uint8)
    masks = replace(records.masks, table=table, classes=len(names))
    return (masks.pixel_counts[:, :-1] > 0).astype(np.int64), masks


def _split_note(records: Records) -> list[str]:
    if records.given is None:
        return []
    sizes = listed(f"{split} {records.given.count(split)}" for split in SPLITS if split in records.given)
    return [f"The split that the data bring ({sizes}) is left aside: all {counted(len(records), 'image')} are used."]


def _absent(records: Records, classes: Classes, labels: Labels) -> list[str]:
    counts = class_counts(classes.names, labels)
    if records.labels.ndim == 2 and records.masks is None:
        unknown = [name for name in classes.names if name not in records.class_names]
        return [f"Nothing is known of {listed(unknown)}: no column has it."] if unknown else []
    absent = [name for name, count in counts.items() if not count]
    return [f"No image of {records.name} has {listed(absent)}, which the model knows."] if absent else []


def _repeated(samples: Samples, classes: Classes) -> list[str]:
    """Notes on images that are there more than once, and on those of them that contradict; none where all differ."""
    pairs = find_duplicates({"all": samples}, within=True)
    if not pairs:
        return []
    number = len(samples) - len(set(keep_together(samples.ids, pairs)))
    first = listed((f"{pair.a} = {pair.b}" for pair in pairs), NAMED)
    copies = f"Of {counted(number, 'image')} there is a copy in the set, which counts like any other: {first}."
    return [copies, *compared({"all": samples}, classes.names, "Correct them, or leave them out.")[1]]


def _some(samples: Samples, positions: Sequence[int]) -> Samples:
    chosen = np.array(positions, np.int64)
    return Samples(
        ids=picked(samples.ids, chosen),
        labels=samples.labels[chosen],
        source=samples.source,
        index=samples.index[chosen],
        groups=samples.groups and picked(samples.groups, chosen),
        masks=samples.masks,
        attributes={name: picked(values, chosen) for name, values in samples.attributes.items()},
    )
