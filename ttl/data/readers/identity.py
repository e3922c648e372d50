"""Whose each image is: patients as headers and tables name them, and the groups that no split may tear apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Sequence

from ttl.data.readers.attribute_columns import MARKERS
from ttl.words.counts import counted, listed

NOBODY = MARKERS | frozenset(
    {"anon", "anonym", "anonymised", "anonymized", "anonymous", "de-identified", "deidentified", "none", "no name"}
    | {"noname", "not available", "removed", "unidentified", "withheld"}
)
"""What a name holds, in small letters, where nobody is meant."""
MASKED = re.compile(r"[x*#?._ -]+", re.IGNORECASE)  # all that some anonymisers leave: XXXX, ****
PADDING = " \t\r\n\0"
NAMED = 3  # images that a note names


def patient_name(text: str) -> str:
    """The patient that a header or a cell names, without padding; empty where it names nobody."""
    name = unicodedata.normalize("NFC", text.strip(PADDING))
    return "" if name.lower() in NOBODY or MASKED.fullmatch(name) else name


def grouped(known: Sequence[str | None], ids: Sequence[str], *, where: str) -> tuple[tuple[str, ...] | None, list[str]]:
    """The group of each image, and notes: its patient, and where that isn't known the image is a group of its own.

    None where nobody is known. Names that differ in upper and lower case alone are one patient: images of two patients
    in one group do no harm, those of one patient in two do. One name for more than half of the images and no other, as
    anonymising leaves it, is none.

    Args:
        known: the patient of each image; None or empty where unknown, as are names that `patient_name` refuses.
        ids: of the images.
        where: the names come from, as in `Grouped by {where}`.
    """
    names = _one_spelling([patient_name(name or "") for name in known])
    patients, named = {*names} - {""}, sum(map(bool, names))
    if not patients:
        return None, []
    if len(patients) == 1 and 2 * named > len(names):
        only = f"one name, {next(iter(patients))!r}, for {counted(named, 'image')}"
        return None, [f"Not grouped by {where}: there is {only}, as anonymising leaves it."]
    missing = [own for name, own in zip(names, ids, strict=True) if not name]
    of = f"; of {counted(len(missing), 'image')} none is known ({listed(missing, NAMED)})" if missing else ""
    groups = tuple(name or apart(own, patients) for name, own in zip(names, ids, strict=True))
    return groups, [f"Grouped by {where}: {counted(len(patients), 'patient')}{of}."]


def apart(own: str, patients: Container[str]) -> str:
    """A group's name that is no patient's."""
    while own in patients:
        own += "'"
    return own


def _one_spelling(names: Sequence[str]) -> list[str]:
    """The first spelling of each name, upper and lower case alike."""
    first: dict[str, str] = {}
    return [first.setdefault(name.casefold(), name) for name in names]
