"""Whose each image is: patients as headers and tables name them, and the groups that no split may tear apart."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from ttl.data.modality.facts import Facts
from ttl.data.readers.attribute_columns import MARKERS
from ttl.words.counts import counted, listed

HEADERS = "the headers' PatientID"
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


def grouped(
    known: Sequence[str | None], ids: Sequence[str], *, where: str, kept_with: Sequence[str] | None = None
) -> tuple[tuple[str, ...] | None, list[str]]:
    """The group of each sample, and notes on what is known of the patients; None where nothing keeps samples together.

    Names that differ in upper and lower case alone are one patient: images of two patients in one group do no harm,
    those of one patient in two do. One name for more than half of the images and no other, as anonymising leaves, is
    none.

    Args:
        known: the patient of each sample; None or empty where unknown, as are names that `patient_name` refuses.
        ids: of the samples.
        where: the names come from, as in `Grouped by {where}`.
        kept_with: what a sample of an unknown patient is kept together with, such as its file; its own id by default.
    """
    names = _one_spelling([patient_name(name or "") for name in known])
    notes, patients = [], {*names} - {""}
    if len(patients) == 1 and 2 * sum(map(bool, names)) > len(names) > 1:
        (only,) = patients
        notes.append(
            f"{where[:1].upper()}{where[1:]} names one patient alone, {only!r}, in {sum(map(bool, names))} of "
            f"{counted(len(names), 'image')}, as anonymising leaves it: no patient is known by it."
        )
        names, patients = [""] * len(names), set()
    groups = tuple(name or _apart(unit, patients) for name, unit in zip(names, kept_with or ids, strict=True))
    if patients:
        unknown = [own for name, own in zip(names, ids, strict=True) if not name]
        missing = (
            f" The patient of {counted(len(unknown), 'image')} of {len(names)} isn't known ({listed(unknown, NAMED)})."
        )
        notes.append(f"Grouped by {where}: {counted(len(patients), 'patient')}." + missing * bool(unknown))
    return groups if patients or len({*groups}) < len(groups) else None, notes


def by_header(facts: Sequence[Facts], ids: Sequence[str]) -> tuple[tuple[str, ...] | None, list[str]]:
    """The groups that DICOM headers make, see `grouped`, and notes.

    A file without a PatientID is of the patient whom other files of its study name; where none does, the study stays
    together, unless all files are of one. The frames of a file always do.
    """
    names = [patient_name(fact.patient) for fact in facts]
    if len({*names} - {""}) > 1:
        of_study = _patients_of_studies(facts, names)
        names = [name or of_study.get(fact.study, "") for fact, name in zip(facts, names, strict=True)]
    studies = {fact.study for fact in facts} - {""}
    files = [own.removesuffix(f"#{fact.frame}") for fact, own in zip(facts, ids, strict=True)]
    units = [fact.study if fact.study and len(studies) > 1 else own for fact, own in zip(facts, files, strict=True)]
    groups, notes = grouped(names, ids, where=HEADERS, kept_with=units)
    sizes = Counter(unit for group, unit in zip(groups or (), units, strict=groups is not None) if group == unit)
    shared = [size for unit, size in sizes.items() if unit in studies and size > 1]
    if shared:
        number = counted(sum(shared), "image")
        notes.append(f"{number} without a known patient: those of one study (StudyInstanceUID) are kept together.")
    return groups, notes


def _patients_of_studies(facts: Sequence[Facts], names: Sequence[str]) -> Mapping[str, str]:
    """Study -> the only patient whom its files name."""
    found: dict[str, set[str]] = {}
    for fact, name in zip(facts, names, strict=True):
        if fact.study and name:
            found.setdefault(fact.study, set()).add(name)
    return {study: next(iter(own)) for study, own in found.items() if len(own) == 1}


def _one_spelling(names: Sequence[str]) -> list[str]:
    """The first spelling of each name, upper and lower case alike."""
    first: dict[str, str] = {}
    return [first.setdefault(name.casefold(), name) for name in names]


def _apart(own: str, patients: set[str]) -> str:
    """A group's name that is no patient's."""
    while own in patients:
        own += "'"
    return own
