"""Label columns of which a cell may name several labels: `Mass|Nodule`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SEPARATORS = "|;,"
UNCLEAR = "/+&"
"""Between words of one name as well as between labels."""
LIST = re.compile(r"[\[({](.*)[\])}]", re.DOTALL)
NONE = re.compile(
    r"no[ _-]*(findings?|diseases?|abnormalit(y|ies)|patholog(y|ies)|labels?)|none|nothing|normal|negative|healthy",
    re.IGNORECASE,
)
"""What a cell says that names none of the labels, where it never stands beside one."""


@dataclass(frozen=True)
class LabelLists:
    """The labels of each cell, what separates them, and the words that say that there are none."""

    labels: tuple[tuple[str, ...], ...]
    separator: str
    none: tuple[str, ...]


def label_lists(cells: Sequence[str]) -> LabelLists | None:
    """The labels of each cell where a cell may name several; None where each cell names a class.

    A separator separates labels if what stands between them occurs in other cells, too: for `|` one part does, in
    another company; for `;` and `,`, which class names may hold (`carcinoma, in situ`), all parts of some cell occur
    alone, or in another order. Brackets and quotes around, as a list is printed, say it by themselves.
    """
    if all(LIST.fullmatch(cell) for cell in cells):
        parts = {cell: tuple(_parts(LIST.fullmatch(cell)[1], "[,;]")) for cell in set(cells)}  # type: ignore[index]
        return _without_none(cells, parts, ",") if any(len(own) > 1 for own in parts.values()) else None
    for separator in SEPARATORS:
        parts = {cell: tuple(_parts(cell, re.escape(separator))) for cell in set(cells)}
        several = {cell: own for cell, own in parts.items() if len(own) > 1}
        if several and _recur(parts, several, separator):
            return _without_none(cells, parts, separator)
    return None


def perhaps_several(cells: Sequence[str]) -> str | None:
    """The first cell that may name several labels, though not so plainly that it is taken for them."""
    for separator in SEPARATORS + UNCLEAR:
        parts = {cell: tuple(_parts(cell, re.escape(separator))) for cell in sorted(set(cells))}
        several = {cell: own for cell, own in parts.items() if len(own) > 1}
        if several and (separator == "|" or _recur(parts, several, "|")):
            return next(iter(several))
    return None


def _parts(cell: str, separator: str) -> Iterator[str]:
    for part in re.split(separator, cell):
        if name := part.strip().strip("'\"").strip():
            yield name


def _recur(parts: dict[str, tuple[str, ...]], several: dict[str, tuple[str, ...]], separator: str) -> bool:
    if separator == "|":
        times = Counter(part for own in parts.values() for part in set(own))
        return any(times[part] > 1 for own in several.values() for part in own)
    alone = {own[0] for own in parts.values() if len(own) == 1}
    orders = [frozenset(own) for own in several.values()]
    return any(alone.issuperset(own) for own in several.values()) or len(set(orders)) < len(orders)


def _without_none(cells: Sequence[str], parts: dict[str, tuple[str, ...]], separator: str) -> LabelLists:
    beside = {part for own in parts.values() if len(own) > 1 for part in own}
    none = {own[0] for own in parts.values() if len(own) == 1 and NONE.fullmatch(own[0])} - beside
    labels = tuple(() if parts[cell] and parts[cell][0] in none else parts[cell] for cell in cells)
    return LabelLists(labels, separator, tuple(sorted(none)))
