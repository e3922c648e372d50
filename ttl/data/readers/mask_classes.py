"""What the values of a set's masks mean: which class each is, and what the classes are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttl.data.modality.facts import MaskFacts
from ttl.data.modality.image import Pixels
from ttl.data.modality.mask_file import VALUES
from ttl.data.task import IGNORE
from ttl.errors import DataError
from ttl.words.counts import counted, listed

FILE = "classes.txt"
BINARY = ("background", "foreground")
WHITE = 255  # the foreground of black and white masks; elsewhere unlabelled
SHOWN = 3  # masks that a message names
FEW = 8  # values that it names


@dataclass(frozen=True, eq=False)
class MaskClasses:
    """The classes of a set of masks by name, the class of each value (or `IGNORE`) `(256,)`, and notes for people."""

    names: tuple[str, ...]
    table: Pixels
    notes: tuple[str, ...]


def read_class_names(folders: Iterable[Path]) -> tuple[str, ...] | None:
    """The class names in the `classes.txt` of these folders, one a line; None where there is none.

    Raises:
        DataError: it can't be read, names a class twice or none, or two such files differ.
    """
    read = {path: _lines(path) for folder in dict.fromkeys(folders) if (path := folder / FILE).is_file()}
    if len(set(read.values())) > 1:
        raise DataError(f"{' and '.join(map(str, read))} name different classes: keep one of them.")
    return next(iter(read.values()), None)


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


def classes_of(place: str, masks: Mapping[str, MaskFacts], declared: tuple[str, ...] | None) -> MaskClasses:
    """What the values mean, all masks seen together.

    Black and white masks (0 and 255) are binary, and so are those of 0 and 1. Otherwise a value is the number of its
    class, and 255 means unlabelled. Messages call the set `place`, masks are by id, `declared` is of classes.txt.

    Raises:
        DataError: fewer than two classes occur, foreground has two values, or the values don't fit the names.
    """
    values = sorted(frozenset[int]().union(*(facts.values for facts in masks.values())))
    table = np.full(VALUES, IGNORE, np.uint8)
    if _is_black_and_white(place, masks, values):
        table[[0, 1, WHITE]] = (0, 1, 1)
    else:
        table[:IGNORE] = np.arange(IGNORE)
    occurring = sorted(set(table[values].tolist()) - {IGNORE})
    if len(occurring) < 2:
        those = listed(map(str, values))
        raise DataError(f"The masks of {place} hold one class only (of values {those}): at least two are needed.")
    names = _checked(place, masks, occurring, declared) if declared else _own_names(place, occurring)
    table[len(names) : WHITE] = IGNORE
    absent = [name for number, name in enumerate(names) if number not in occurring]
    notes = [f"No mask has {counted(len(absent), 'class')} of {FILE}: {listed(absent)}."] if absent else []
    unlabelled = sum(int(facts.counts[WHITE]) for facts in masks.values())
    if table[WHITE] == IGNORE and unlabelled:
        share = 100 * unlabelled / sum(int(facts.counts.sum()) for facts in masks.values())
        where = counted(sum(WHITE in facts.values for facts in masks.values()), "mask")
        notes.append(f"255 means unlabelled: {share:.2g} % of all pixels, in {where}, count in nothing.")
    return MaskClasses(names, table, tuple(notes))


def _is_black_and_white(place: str, masks: Mapping[str, MaskFacts], values: list[int]) -> bool:
    """Whether 255 is foreground."""
    if WHITE not in values or not {0, 1, WHITE}.issuperset(values):
        return False
    ones = [name for name, facts in masks.items() if 1 in facts.values and not facts.one_bit]
    whites = [name for name, facts in masks.items() if WHITE in facts.values]
    if ones and not set(ones) & set(whites):
        raise DataError(
            f"The masks of {place} say foreground in two ways, 1 ({listed(ones, SHOWN)}) and 255 "
            f"({listed(whites, SHOWN)}): save them all with 0 and 1, or all with 0 and 255."
        )
    return not ones


def _checked(
    place: str, masks: Mapping[str, MaskFacts], occurring: list[int], declared: tuple[str, ...]
) -> tuple[str, ...]:
    if occurring == [0, 1] and len(declared) > 2:
        raise DataError(
            f"The {FILE} of {place} names {len(declared)} classes, and its masks have two, background and foreground: "
            "give two lines, that of the background first."
        )
    if beyond := [value for value in occurring if value >= len(declared)]:
        where = listed((name for name, facts in masks.items() if facts.values.intersection(beyond)), SHOWN)
        raise DataError(
            f"The {FILE} of {place} names {len(declared)} classes, 0 to {len(declared) - 1}, and masks have the value "
            f"{listed(map(str, beyond))} ({where}): name all classes, one a line, or correct the masks."
        )
    return declared


def _own_names(place: str, occurring: list[int]) -> tuple[str, ...]:
    if missing := sorted(set(range(occurring[-1])) - set(occurring)):
        there, gaps = (listed(map(str, values), FEW) for values in (occurring, missing))
        raise DataError(
            f"The masks of {place} have the values {there} but not {gaps}: "
            f"number the classes from 0 without gaps, or name all {occurring[-1] + 1} in a {FILE}, one a line."
        )
    return BINARY if len(occurring) == 2 else tuple(map(str, occurring))
