"""What the values of a set's masks mean: which class each is, and what the classes are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ttl.data.modality.facts import MaskFacts
from ttl.data.modality.image import Pixels
from ttl.data.modality.mask_file import VALUES, WHITE
from ttl.data.readers.class_names import FILE, DeclaredClasses
from ttl.data.task import IGNORE
from ttl.errors import DataError
from ttl.words.counts import counted, listed
from ttl.words.mask_values import MaskValues

BINARY = ("background", "foreground")
SHOWN = 3  # masks that a message names
FEW = 8  # values that it names


@dataclass(frozen=True, eq=False)
class MaskClasses:
    """The classes of a set of masks by name, the class of each value (or `IGNORE`) `(256,)`, and notes for people."""

    names: tuple[str, ...]
    table: Pixels
    notes: tuple[str, ...]


def classes_of(
    place: str, masks: Mapping[str, MaskFacts], declared: DeclaredClasses | None, meaning: MaskValues | None = None
) -> MaskClasses:
    """What the values mean, all masks seen together.

    Black and white masks (0 and 255) are binary, and so are those of 0 and 1. Otherwise a value is the number of its
    class, and 255 means unlabelled. Messages call the set `place`, masks are by id, and with a `meaning` their values
    are the numbers of classes already.

    Raises:
        DataError: fewer than two classes occur, foreground has two values, or the values don't fit the names.
    """
    values = sorted(frozenset[int]().union(*(facts.values for facts in masks.values())))
    table = np.full(VALUES, IGNORE, np.uint8)
    if meaning is None and _is_black_and_white(place, masks, values):
        table[[0, 1, WHITE]] = (0, 1, 1)
    else:
        table[:IGNORE] = np.arange(IGNORE)
    if declared is not None and declared.ignored is not None:
        table[declared.ignored] = IGNORE
    occurring = sorted(set(table[values].tolist()) - {IGNORE})
    if len(occurring) < 2:
        those = listed(map(str, values))
        raise DataError(f"The masks of {place} hold one class only (of values {those}): at least two are needed.")
    if meaning is not None:
        names = _names_of(place, meaning, declared)
    else:
        names = _checked(place, masks, occurring, declared) if declared else _own_names(place, occurring, values)
    table[len(names) : WHITE] = IGNORE
    absent = [name for number, name in enumerate(names) if number not in occurring]
    where = declared.file if declared else "--mask-values"
    notes = [f"No mask has {counted(len(absent), 'class')} of {where}: {listed(absent)}."] if absent else []
    unlabelled = sum(int(facts.counts[table == IGNORE].sum()) for facts in masks.values())
    if unlabelled:
        share = 100 * unlabelled / sum(int(facts.counts.sum()) for facts in masks.values())
        among = counted(sum(bool(facts.counts[table == IGNORE].any()) for facts in masks.values()), "mask")
        what = "Ignored values mean" if meaning or (declared and declared.ignored is not None) else "255 means"
        notes.append(f"{what} unlabelled: {share:.2g} % of all pixels, in {among}, count in nothing.")
    return MaskClasses(names, table, tuple(notes))


def _names_of(place: str, meaning: MaskValues, declared: DeclaredClasses | None) -> tuple[str, ...]:
    number = len(meaning.classes)
    if declared is None:
        return BINARY if number == len(BINARY) else tuple(map(str, range(number)))
    if len(declared.names) != number:
        raise DataError(
            f"The {declared.file} of {place} names {counted(len(declared.names), 'class')} and --mask-values {number}: "
            "give one name a value, in the same order."
        )
    return declared.names


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
    place: str, masks: Mapping[str, MaskFacts], occurring: list[int], declared: DeclaredClasses
) -> tuple[str, ...]:
    names, file = declared.names, declared.file
    if occurring == [0, 1] and len(names) > 2 and file == FILE:
        raise DataError(
            f"The {file} of {place} names {len(names)} classes, and its masks have two, background and foreground: "
            "give two lines, that of the background first."
        )
    if beyond := [value for value in occurring if value >= len(names)]:
        where = listed((name for name, facts in masks.items() if facts.values.intersection(beyond)), SHOWN)
        raise DataError(
            f"The {file} of {place} names {len(names)} classes, 0 to {len(names) - 1}, and masks have the value "
            f"{listed(map(str, beyond))} ({where}): name all classes, correct the masks, or say which value is which "
            "class with --mask-values."
        )
    return names


def _own_names(place: str, occurring: list[int], values: list[int]) -> tuple[str, ...]:
    if missing := sorted(set(range(occurring[-1])) - set(occurring)):
        there, gaps = (listed(map(str, values), FEW) for values in (occurring, missing))
        those = ",".join(map(str, values[:FEW])) + ("..." if len(values) > FEW else "")
        raise DataError(
            f"The masks of {place} have the values {there} but not {gaps}: give the values of the classes in their "
            f"order with --mask-values, as {those}, or name all {occurring[-1] + 1} in a {FILE}, one a line."
        )
    return BINARY if len(occurring) == 2 else tuple(map(str, occurring))
