"""Whose images they are: patients as tables and headers name them, and groups that are in one split only."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from ttl.data.class_spelling import alike_words, is_missing, one_spelling, plain
from ttl.words.counts import counted, listed

NOBODY = re.compile(
    r"none|nobody|not[ _]?known|anonymi[sz]ed|de-?identified|anon(ym(ous)?)?|no[ _]?(name|id)|unidentified|removed"
    r"|withheld|x{3,}|[x*#?._ -]{2,}|[*#?._-]"
)
"""What anonymising and filling in leave in the place of a name, beside the usual marks of a missing value."""
ROUNDED = re.compile(r"[0-9](\.[0-9]+)?E\+[0-9]+", re.IGNORECASE)
WHOLE = re.compile(r"([0-9]+)\.0+")
SHOWN = 3


def patient_name(cell: str | None) -> str:
    """A patient's name as it is compared: `12.0` is `12`; empty where the cell names nobody."""
    name = plain(cell or "")
    if is_missing(name) or NOBODY.fullmatch(name.lower()):
        return ""
    whole = WHOLE.fullmatch(name)
    return whole[1] if whole else name


def grouped(
    known: Sequence[str | None], ids: Sequence[str], *, where: str = "the headers' PatientID"
) -> tuple[tuple[str, ...] | None, list[str]]:
    """The group of each image, and notes: its patient, and where that isn't known the image is a group of its own.

    None where nobody is known, or one name is all there is, as anonymising leaves it.

    Args:
        known: the patient of each image as the data name it; None or empty where they don't.
        ids: of the images.
        where: what names them, as it stands in a sentence.
    """
    cells = [patient_name(cell) for cell in known]
    named = [cell for cell in cells if cell]
    one, spellings = one_spelling(named, where=where, what="patient", letters_differ=False)
    names = [one[cell] if cell else "" for cell in cells]
    patients = set(names) - {""}
    if not patients:
        some = any(plain(cell or "") for cell in known)
        return None, [f"No patient is known by {where}: it is empty, or names nobody."] if some else []
    if len(patients) == 1 and 2 * len(named) > len(names):
        only = f"one name, {next(iter(patients))!r}, for {counted(len(named), 'image')}"
        return None, [f"Not grouped by {where}: there is {only}, as anonymising leaves it."]
    missing = [sample for sample, name in zip(ids, names, strict=True) if not name]
    note = f"Grouped by {where}: {counted(len(patients), 'patient')}"
    if missing:
        of = counted(len(missing), "image")
        note += f"; of {of} none is known ({listed(missing, SHOWN)}): each counts as a patient of its own"
    notes = [f"{note}.", *spellings]
    if alike := alike_words(patients, "patients"):
        notes.append(f"By {where}, {alike}.")
    if rounded := sorted(name for name in patients if ROUNDED.fullmatch(name)):
        notes.append(
            f"{len(rounded)} of the patients' numbers were rounded by a spreadsheet ({listed(rounded, SHOWN)}), which "
            "makes one of several: save them as text."
        )
    own = (name or apart(sample, patients) for sample, name in zip(ids, names, strict=True))
    return tuple(own), notes


def unknown_patients(known: Sequence[str | None], ids: Sequence[str]) -> frozenset[str]:
    """The ids of the images whose patient isn't known."""
    return frozenset(sample for sample, cell in zip(ids, known, strict=True) if not patient_name(cell))


def apart(own: str, patients: Container[str]) -> str:
    """The name of a group that is no patient's."""
    while own in patients:
        own += "'"
    return own
