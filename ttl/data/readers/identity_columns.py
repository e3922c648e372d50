"""Columns of a table that say whose an image is: which is used, and which others look as if they said it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from ttl.data.readers.identity import patient_name

PERSONS = ("patient", "subject", "participant", "person", "individual", "mrn", "pid", "ptid", "donor", "animal")
"""What a column of patients is called, the closest to a patient first."""
PARTS = ("group", "case", "lesion", "specimen", "slide", "volume", "study", "exam", "accession", "series", "visit")
"""What is of one patient, or has other meanings, too: taken where its values are like the numbers of such things."""
BEFORE = "(?:anon|anonymi[sz]ed|pseudo|deid|deidentified|dicom|unique|source)?"
BEHIND = "(?:s|ids?|identifier|instanceuid|uid|uuid|number|num|no|nr|code|key|name|hash|index)?"
FEWEST_PARTS = 6  # different values of such a column; fewer are rather arms of a study, or grades
FEW_IMAGES = 10  # of each value, with which fewer values will do as well
FEWEST = 3  # different values of a column that is named as unused
MOST_IMAGES = 20  # of each value on average, of a column whose name doesn't say what it is

NUMBERING = re.compile(r"id|uid|uuid|nr|number|hash|barcode|scan|sample|session|eye|mouse|owner")
NO_IDS = re.compile(
    r"age|years?|yob|months?|days?|dates?|times?|timestamp|width|height|weight|size|area|count|score|rows?|columns?|cols?"
    r"|bits|kvp?|mas|exposure|thickness|spacing|slices?|frames?|folds?|x|y|z|w|h|bbox|view|position"
    r"|label|class|target|diagnosis|dx|finding|category|grade"
)
"""Words in the names of columns whose values repeat without being ids."""
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
MEASURED = re.compile(
    r"[+-]?\d*\.\d+(e[+-]?\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?|\d{1,2}:\d\d.*", re.IGNORECASE
)
"""Numbers with decimals, dates and times."""


def rank_of(name: str) -> int | None:
    """How close to a patient a column's name is, 0 the closest; None where it is no such name."""
    small = re.sub(r"[^a-z0-9]", "", name.lower())
    for rank, word in enumerate((*PERSONS, *PARTS)):
        if re.fullmatch(f"{BEFORE}{word}{BEHIND}", small):
            return rank
    return None


def is_of_persons(name: str) -> bool:
    """Whether a column's name leaves open that it holds patients, and doesn't say what one may have several of."""
    rank = rank_of(name)
    return rank is None or (*PERSONS, *PARTS)[rank] in (*PERSONS, "group")


def identity_column(cells: Mapping[str, Sequence[str]]) -> str | None:
    """The column, of those that have no other use, that says whose each image is; None where there is none.

    One that names nobody is taken where no other does.
    """
    ranked = sorted((rank, i, name) for i, name in enumerate(cells) if (rank := rank_of(name)) is not None)
    for rank, _, name in ranked:
        known = [cell for cell in cells[name] if patient_name(cell)]
        if known and (rank < len(PERSONS) or _has_parts(known)):
            return name
    return next((name for rank, _, name in ranked if rank < len(PERSONS)), None)


def _has_parts(known: Sequence[str]) -> bool:
    different = len(set(known))
    return different < len(known) and (different >= FEWEST_PARTS or len(known) <= FEW_IMAGES * different)


def repeated_ids(cells: Mapping[str, Sequence[str]], groups: Sequence[str] | None) -> list[str]:
    """The columns, of those that have no use, that hold numbers or names of what has several images.

    Not those that the groups that are in use, one an image, keep together anyway.
    """
    return [name for name, values in cells.items() if _looks_like_ids(name, values) and not _kept(values, groups)]


def _looks_like_ids(name: str, values: Sequence[str]) -> bool:
    """Whether values repeat as ids do: many different ones, of few images each, which nothing measured or dated is."""
    times = Counter(values)
    names = {cell: patient_name(cell) for cell in times}
    known, different = sum(times[cell] for cell, of in names.items() if of), {*names.values()} - {""}
    if len(different) == known or len(different) < FEWEST or 2 * known < len(values):
        return False
    words = [word.lower() for word in WORD.findall(name)]
    if any(map(NO_IDS.fullmatch, words)) or any(map(MEASURED.fullmatch, different)):
        return False
    says_so = rank_of(name) is not None or any(map(NUMBERING.fullmatch, words))
    return says_so or known <= MOST_IMAGES * len(different)


def _kept(values: Sequence[str], groups: Sequence[str] | None) -> bool:
    """Whether the images of each value are in one group."""
    if groups is None:
        return False
    whose: dict[str, str] = {}
    pairs = ((name, group) for value, group in zip(values, groups, strict=True) if (name := patient_name(value)))
    return all(whose.setdefault(name, group) == group for name, group in pairs)
