"""What the classes of masks are called: `classes.txt`, or nnU-Net's `dataset.json`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ttl.data.task import IGNORE
from ttl.errors import DataError
from ttl.words.counts import counted, listed

FILE = "classes.txt"
NNUNET_FILE = "dataset.json"
IGNORED = "ignore"  # nnU-Net's name of what is of no class


@dataclass(frozen=True)
class DeclaredClasses:
    """The classes by name, the first that of 0; the value of pixels of no class, where one is named; and the file."""

    names: tuple[str, ...]
    ignored: int | None = None
    file: str = FILE


def read_class_names(folders: Iterable[Path]) -> DeclaredClasses | None:
    """The class names in the `classes.txt` of these folders, one a line, else in a `dataset.json`; None without one.

    Raises:
        DataError: it can't be read, names a class twice or none, or two such files differ.
    """
    places = [*dict.fromkeys(folders)]
    read = {path: DeclaredClasses(_lines(path)) for folder in places if (path := folder / FILE).is_file()}
    if not read:
        files = [path for folder in places if (path := folder / NNUNET_FILE).is_file()]
        read = {path: declared for path in files if (declared := _nnunet(path)) is not None}
    if len(set(read.values())) > 1:
        raise DataError(f"{' and '.join(map(str, read))} name different classes: keep one of them.")
    return next(iter(read.values()), None)


def _nnunet(path: Path) -> DeclaredClasses | None:
    """The classes of nnU-Net's `dataset.json`, by number or, in its first version, number by class; None of others."""
    try:
        labels = json.loads(path.read_text(encoding="utf-8-sig")).get("labels")
    except (OSError, ValueError, AttributeError):
        return None
    if not isinstance(labels, dict):
        return None
    if any(isinstance(value, list) for value in labels.values()):
        raise DataError(f"The file {path} has classes of several labels (regions): give each label its own class.")
    if all(isinstance(value, str) and key.isdecimal() for key, value in labels.items()):
        labels = {value: int(key) for key, value in labels.items()}
    if not all(type(value) is int for value in labels.values()):
        return None
    ignored = labels.pop(IGNORED, None)
    if len(labels) < 2 or sorted(labels.values()) != [*range(len(labels))]:
        raise DataError(
            f"The file {path} numbers its labels {listed(map(str, labels.values()))}: 0, 1, 2 ... is needed."
        )
    return DeclaredClasses(tuple(sorted(labels, key=lambda name: labels[name])), ignored, NNUNET_FILE)


def _lines(path: Path) -> tuple[str, ...]:
    try:
        lines = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().splitlines())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it isn't UTF-8"
        raise DataError(f"The file {path} can't be read ({reason}): give one class name a line.") from None
    if len(lines) < 2 or "" in lines:
        wrong = f"is empty in line {lines.index('') + 1}" if "" in lines else f"names {counted(len(lines), 'class')}"
        raise DataError(f"The file {path} {wrong}: give at least two class names, one a line, that of 0 first.")
    if len(lines) > IGNORE:
        raise DataError(f"The file {path} names {len(lines)} classes: masks can tell {IGNORE} at most.")
    if twice := [name for name, times in Counter(lines).items() if times > 1]:
        raise DataError(f"The file {path} has {listed(map(repr, twice))} more than once: give each class its own name.")
    return lines
