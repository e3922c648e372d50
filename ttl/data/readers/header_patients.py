"""Whose each image is by the headers of DICOM files, and what keeps images together where they name nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttl.data.modality.facts import Facts
from ttl.data.readers.every_frame import file_id
from ttl.data.readers.identity import SHOWN, apart, grouped, patient_name
from ttl.words.counts import counted, listed

WHERE = "the headers' PatientID"


@dataclass(frozen=True)
class HeaderGroups:
    """The group of each image (None where nothing keeps images together), notes, and the ids without a patient."""

    groups: tuple[str, ...] | None
    notes: tuple[str, ...]
    unknown: frozenset[str]


def by_header(facts: Sequence[Facts], ids: Sequence[str]) -> HeaderGroups:
    """The groups of images from their headers.

    A file without a PatientID is of the patient whom other files of its study name; where none does, the study stays
    together, unless all files are of one. The frames of a file always do.
    """
    names = [patient_name(fact.patient) for fact in facts]
    if len({*names} - {""}) > 1:
        of_study = _patients_of_studies(facts, names)
        names = [name or of_study.get(fact.study, "") for fact, name in zip(facts, names, strict=True)]
    of_patients, notes = grouped(names, ids, where=WHERE)
    if of_patients is None:
        names = [""] * len(ids)
        of_patients = tuple(ids)
    studies = {fact.study for fact in facts} - {""}
    files = [file_id(own, fact) for fact, own in zip(facts, ids, strict=True)]
    units = [fact.study if fact.study and len(studies) > 1 else own for fact, own in zip(facts, files, strict=True)]
    known = {*names} - {""}
    groups = tuple(
        patient if name else apart(unit, known) for name, patient, unit in zip(names, of_patients, units, strict=True)
    )
    sizes = Counter(unit for name, unit in zip(names, units, strict=True) if not name)
    shared = sum(size for unit, size in sizes.items() if unit in studies and size > 1)
    if shared:
        number = counted(shared, "image")
        notes.append(f"{number} without a known patient: those of one study (StudyInstanceUID) are kept together.")
    unknown = frozenset(own for name, own in zip(names, ids, strict=True) if not name)
    return HeaderGroups(groups if known or len({*groups}) < len(groups) else None, tuple(notes), unknown)


def against_headers(facts: Sequence[Facts], groups: Sequence[str], where: str) -> list[str]:
    """A note on patients of the headers whom `groups`, of `where`, tears apart; none where it doesn't."""
    of_patient: dict[str, set[str]] = {}
    for fact, group in zip(facts, groups, strict=True):
        if name := patient_name(fact.patient):
            of_patient.setdefault(name, set()).add(group)
    torn = [f"{name}: {listed(sorted(own), SHOWN)}" for name, own in of_patient.items() if len(own) > 1]
    if not torn or len(of_patient) == 1:
        return []
    return [
        f"By {where}, {counted(len(torn), 'patient')} of the headers' PatientID are in several groups "
        f"({'; '.join(torn[:SHOWN])}): check it, for images of one patient may be in two splits."
    ]


def _patients_of_studies(facts: Sequence[Facts], names: Sequence[str]) -> Mapping[str, str]:
    """Study -> the only patient whom its files name."""
    found: dict[str, set[str]] = {}
    for fact, name in zip(facts, names, strict=True):
        if fact.study and name:
            found.setdefault(fact.study, set()).add(name)
    return {study: next(iter(own)) for study, own in found.items() if len(own) == 1}
