"""splits.csv: which sample went where, written and given back."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from ttl.data.records import Records
from ttl.data.task import SPLITS, UNUSED, Task, label_words
from ttl.errors import DataError
from ttl.files import write_text
from ttl.words.counts import counted, listed
from ttl.words.text import printable

COLUMNS = ("id", "split", "label")
GROUP = "group"
Row = dict[str, str]


def write_splits(task: Task, path: Path) -> None:
    """Writes a line a sample: id, split, label (the class's name) and, where there are any, group.

    Raises:
        DataError: it can't be written.
    """
    grouped = any(samples.groups for samples in task.splits.values())
    lines = StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([*COLUMNS, GROUP] if grouped else COLUMNS)
    for split, samples in (task.splits | ({UNUSED: task.unused} if task.unused else {})).items():
        for i, sample in enumerate(samples.ids):
            group = [samples.groups[i]] if samples.groups else [""] * grouped
            writer.writerow([sample, split, label_words(task.class_names, samples.labels[i]), *group])
    try:
        write_text(path, lines.getvalue())
    except OSError as error:
        raise DataError(
            f"The split can't be written to {path} ({error.strerror}): free some space, or choose another place."
        ) from None


def read_splits(path: Path, records: Records) -> tuple[list[str], tuple[str, ...] | None]:
    """The split of each sample of `records`, and the groups where the file has them.

    Raises:
        DataError: the file isn't such a file, or is about other samples or other labels.
    """
    rows = {printable(row["id"]): row for row in _rows(path)}
    remedy = f"give the file that was written for {records.name}."
    missing = [sample for sample in records.ids if sample not in rows]
    unknown = sorted(rows.keys() - {*records.ids, *records.skipped})
    for wrong, what in ((missing, "lacks"), (unknown, "names, without their being in the data,")):
        if wrong:
            number = counted(len(wrong), "sample")
            raise DataError(f"The splits file {path} {what} {number}: {listed(wrong)}: {remedy}")
    ordered = [rows[sample] for sample in records.ids]
    for row, label in zip(ordered, records.labels, strict=True):
        name = label_words(records.class_names, label)
        if printable(row["label"]) != name:
            raise DataError(
                f"The splits file {path} says that {row['id']} is {row['label']!r}, and the data say {name!r}: {remedy}"
            )
    groups = tuple(row[GROUP] for row in ordered) if GROUP in ordered[0] else None
    return [row["split"] for row in ordered], groups


def _rows(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, csv.Error) as error:
        wrong = f"can't be read ({error.strerror})" if isinstance(error, OSError) else f"isn't CSV ({error})"
        raise DataError(f"The splits file {path} {wrong}: check --splits.") from None
    if absent := [column for column in COLUMNS if not rows or column not in rows[0]]:
        raise DataError(
            f"The splits file {path} has no {listed(absent)} in its first line, or no samples: "
            f"it needs the columns {', '.join(COLUMNS)}."
        )
    if any(None in row or None in row.values() for row in rows):
        raise DataError(f"The splits file {path} has lines with more or fewer values than columns: was it cut off?")
    if names := {row["split"] for row in rows} - {*SPLITS, UNUSED}:
        raise DataError(
            f"The splits file {path} has the split {listed(map(repr, sorted(names)))}: there are {', '.join(SPLITS)}."
        )
    if twice := [sample for sample, n in Counter(row["id"] for row in rows).items() if n > 1]:
        raise DataError(
            f"The splits file {path} names {counted(len(twice), 'sample')} more than once: {listed(twice)}: "
            "keep one line for each."
        )
    return rows


def groups_across(splits: Sequence[str], groups: Sequence[str]) -> dict[str, set[str]]:
    """The groups that lie in more than one split, with the splits."""
    places: dict[str, set[str]] = {}
    for split, group in zip(splits, groups, strict=True):
        places.setdefault(group, set()).add(split)
    return {group: where for group, where in places.items() if len(where) > 1}
