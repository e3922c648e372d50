"""Label columns of which a cell may name several labels: `Mass|Nodule`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ttl.data.class_spelling import spelling_key

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
        if any(len(own) > 1 for own in parts.values()) and _recur(parts, separator):
            return _without_none(cells, parts, separator)
    return None


def perhaps_several(cells: Sequence[str]) -> str | None:
    """The first cell that may name several labels, though not so plainly that it is taken for them."""
    for separator in SEPARATORS + UNCLEAR:
        parts = {cell: tuple(_parts(cell, re.escape(separator))) for cell in sorted(set(cells))}
        first = next((cell for cell, own in parts.items() if len(own) > 1), None)
        if first is not None and (separator == "|" or _recur(parts, "|")):
            return first
    return None


def _parts(cell: str, separator: str) -> Iterator[str]:
    for part in re.split(separator, cell):
        if name := part.strip().strip("'\"").strip():
            yield name


def _recur(parts: dict[str, tuple[str, ...]], separator: str) -> bool:
    """Whether parts of cells that have several are in other cells, too, in whatever spelling."""
    keys = [tuple(map(spelling_key, own)) for own in parts.values()]
    several = [own for own in keys if len(own) > 1]
    if separator == "|":
        times = Counter(part for own in keys for part in set(own))
        return any(times[part] > 1 for own in several for part in own)
    alone = {own[0] for own in keys if len(own) == 1}
    return any(alone.issuperset(own) for own in several) or len(set(map(frozenset, several))) < len(set(several))


def _without_none(cells: Sequence[str], parts: dict[str, tuple[str, ...]], separator: str) -> LabelLists:
    beside = {part for own in parts.values() if len(own) > 1 for part in own}
    none = {own[0] for own in parts.values() if len(own) == 1 and NONE.fullmatch(own[0])} - beside
    labels = tuple(() if parts[cell] and parts[cell][0] in none else parts[cell] for cell in cells)
    return LabelLists(labels, separator, tuple(sorted(none)))
