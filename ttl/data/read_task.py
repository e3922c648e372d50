"""`load_task`: from a path or a built-in name to a checked, split data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ttl.data.content import with_content
from ttl.data.duplicates import Dedupe, checked_for_leaks, deduplicated
from ttl.data.exclusive import with_exclusive
from ttl.data.modality.rendering import Frame, Range, Rendering, Window
from ttl.data.ordinal import ordered
from ttl.data.pool import Progress
from ttl.data.positive import with_positive
from ttl.data.readers.arrays import BUILTIN, read_builtin, read_npz
from ttl.data.readers.class_folders import read_folder
from ttl.data.readers.manifest import read_manifest
from ttl.data.readers.mask_set import read_masks
from ttl.data.readers.readable import Reading
from ttl.data.readers.table_file import NO_COLUMNS, Columns
from ttl.data.readers.table_text import TABLES
from ttl.data.records import Records
from ttl.data.split import Assignment, assign, thinned
from ttl.data.task import SPLITS, UNUSED, Samples, Task, picked
from ttl.errors import DataError, UsageError
from ttl.words.mask_values import MaskValues, parsed
from ttl.words.text import shortened

SHEETS = (".xlsx", ".xls", ".ods", ".numbers")


def load_task(
    data: str | Path,
    *,
    seed: int = 0,
    val_fraction: float = 0.16,
    test_fraction: float = 0.20,
    splits: Path | None = None,
    skip_bad: bool = False,
    train_fraction: float = 1.0,
    columns: Columns = NO_COLUMNS,
    mask_values: str | None = None,
    per_pixel: bool | None = None,
    window: Window | None = None,
    value_range: Range | None = None,
    frame: Frame = "first",
    dedupe: Dedupe | None = None,
    positive: str | Sequence[str] = (),
    ordinal: bool = False,
    exclusive: bool = False,
    on_progress: Progress | None = None,
) -> Task:
    """Reads, checks and splits a labelled set of images; each is decoded once, so that nothing later meets a bad one.

    Args:
        data: a folder of class folders, or of images/ and masks/ (both with or without train/ val/ test/), a CSV or
            Parquet manifest, a MedMNIST-style .npz, or a built-in name (`digits`, `digits:5-9`; `./digits` is a folder
            of that name).
        seed: of the split.
        val_fraction: share of all samples that validate. Where the data bring only one of val and test, the
            other is drawn from train in the same proportion to it.
        test_fraction: share of all samples that test, likewise.
        splits: a file that `write_splits` wrote; it wins over everything else.
        skip_bad: leave out the images that can't be read, or whose masks don't fit them, with a note, instead of
            refusing the data.
        columns: of a CSV or Parquet manifest, where their names are unusual.
        mask_values: the value or colour of each class in the masks, in the order of the classes: `0,128,255`,
            `#000000,#ff0000`, or `0,other`; `255=ignore` is of no class. None takes values as numbers of classes.
        per_pixel: whether masks are wanted, where a folder can be read with them or without; None where it is the same.
        window: centre and width of the values of DICOM files that are shown, in place of their headers'.
        value_range: the values of deep images (more than 8 bits a channel) that become black and white.
        frame: of a file with several frames: `first`, `middle`, `all`, or a number from 1 on.
        dedupe: what to do with images that show the same, pixel for pixel or saved anew: `together` keeps them in
            one split, `drop` keeps one of them. None leaves them, and a note names those in two splits.
        positive: of two classes the one that is the finding, by default the one whose name doesn't say that nothing was
            found (normal, healthy, negative, no ...), else the second by alphabet; of more than two those that are one
            finding together (grades from 3 on), by default none.
        ordinal: the classes are grades, ordered as their names are; the quadratic kappa is then one of the metrics.
        exclusive: labels of several columns, of which each image has exactly one, are its class.
        train_fraction: share of the training samples to keep, stratified; groups are kept or left out whole.
        on_progress: called with how many images are checked, and of how many.

    Returns:
        the task; its notes say what was ignored, skipped or converted.

    Raises:
        DataError: the data can't be used as they are; the sentence says what to do.
        UsageError: shares that leave nothing to train on.

    Example:
        >>> task = load_task("digits:5-9")
        >>> task.kind, task.class_names, len(task.train), len(task.val), len(task.test)
        ('multiclass', ('5', '6', '7', '8', '9'), 573, 144, 179)
    """
    if not (val_fraction > 0 and test_fraction > 0 and val_fraction + test_fraction < 1):
        raise UsageError(
            f"val_fraction {val_fraction:g} and test_fraction {test_fraction:g} can't both be met: both "
            "should be above 0 and their sum below 1."
        )
    asked = (positive,) if isinstance(positive, str) else tuple(positive)
    rendering = Rendering(window, value_range, frame)
    reading = Reading(rendering, skip_bad, meaning_of(mask_values), per_pixel, on_progress=on_progress)
    read = read_records(data, columns, reading)
    _check_window(read, window)
    if mask_values is not None and read.masks is None:
        raise UsageError(f"--mask-values is for data with masks, and {data} has none: leave it out.")
    records = with_positive(with_exclusive(read, exclusive), asked)
    if ordinal or records.ordinal:
        records = ordered(records)
    if dedupe is not None:
        records = deduplicated(records, dedupe)
    fractions = {"train": 1 - val_fraction - test_fraction, "val": val_fraction, "test": test_fraction}
    assignment = assign(records, fractions, seed=seed, splits_file=splits)
    if train_fraction < 1:
        assignment = thinned(records, assignment, train_fraction, seed=seed)
    train, val, test = (_samples(records, assignment, split) for split in SPLITS)
    unused = _samples(records, assignment, UNUSED) if UNUSED in assignment.splits else None
    task = Task(
        name=records.name,
        kind=records.kind,
        class_names=records.class_names,
        train=train,
        val=val,
        test=test,
        fingerprint=records.fingerprint(),
        finding=records.finding,
        ordinal=records.ordinal,
        notes=(assignment.note, *records.notes),
        unused=unused,
        unknown_patients=assignment.unknown_patients,
    )
    task = checked_for_leaks(task)
    return replace(task, notes=tuple(map(shortened, task.notes)))


def _check_plain(rendering: Rendering, data: str | Path) -> None:
    """Refuse what is of files, where there are none."""
    if rendering.window is not None:
        raise UsageError(f"--window is for DICOM files, and {data} holds none: leave it out.")
    if rendering.frame != "first":
        raise UsageError(f"--frame is for files with several frames, and {data} holds none: leave it out.")


def _check_window(records: Records, window: Window | None) -> None:
    """Refuse a window that no image is seen through."""
    if window is not None and not any(fact.windowed for fact in records.source.facts):
        raise UsageError(
            f"--window is for grey DICOM files, and {records.name} holds none: leave it out, or give --range LOW HIGH "
            "for other images of more than 8 bits a channel."
        )


def meaning_of(mask_values: str | None) -> MaskValues | None:
    """Which value of a mask is which class, of `--mask-values`.

    Raises:
        UsageError: the text isn't made as it is to be.
    """
    try:
        return None if mask_values is None else parsed(mask_values)
    except ValueError as error:
        raise UsageError(f"--mask-values {mask_values} {error}.") from None


def read_records(data: str | Path, columns: Columns, reading: Reading) -> Records:
    """All samples of a data set before they are split, under names that are text; errors as of `load_task`."""
    records = with_content(_records(data, columns, reading))
    if reading.rendering.value_range is not None and not any(fact.deep for fact in records.source.facts):
        raise UsageError(f"--range is for images of more than 8 bits a channel, and {data} has none: leave it out.")
    return records.printable()


def _records(data: str | Path, columns: Columns, reading: Reading) -> Records:
    path = Path(data)
    is_table = path.is_file() and path.suffix.lower() in TABLES
    if not (path.is_dir() or path.suffix.lower() in TABLES):
        _check_plain(reading.rendering, data)
    if columns.attributes and not is_table:
        raise UsageError(
            f"--subgroup-column names a column of a CSV or Parquet manifest, and {data} is none: list the images in "
            "one, or leave it out."
        )
    if columns != NO_COLUMNS and not is_table:
        raise UsageError(
            f"{path} is no CSV or Parquet manifest: --image-column, --image-root and the like are for those."
        )
    if isinstance(data, str) and data.partition(":")[0] in BUILTIN:
        return read_builtin(data)
    if is_table:
        return read_manifest(path, columns, reading)
    if path.is_dir():
        masked = read_masks(path, reading)
        return read_folder(path, reading) if masked is None else masked
    if not path.exists():
        raise DataError(
            f"There are no data at {path}: give a folder of class folders or of images/ and masks/, a .csv, .parquet "
            f"or .npz file, or the name of what is built in ({', '.join(BUILTIN)})."
        )
    if path.suffix.lower() == ".npz":
        return read_npz(path)
    if path.suffix.lower() in SHEETS:
        raise DataError(f"The file {path} is a spreadsheet: save its sheet as CSV (UTF-8), and give that.")
    raise DataError(
        f"The file {path} isn't a kind of data that can be read: give a folder of class folders or of images/ "
        "and masks/, a .csv or .parquet manifest, or a MedMNIST-style .npz file."
    )


def _samples(records: Records, assignment: Assignment, split: str) -> Samples:
    index = np.flatnonzero(np.array(assignment.splits) == split)
    groups = assignment.groups and picked(assignment.groups, index)
    return Samples(
        ids=picked(records.ids, index),
        labels=records.labels[index],
        source=records.source,
        index=index,
        groups=groups,
        masks=records.masks,
        attributes={name: picked(values, index) for name, values in records.attributes.items()},
    )
