"""What an exported file decides of images and of patients, by its own rule or by another that a person asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ttl.data import ImageList
from ttl.errors import UsageError
from ttl.export.contract import Contract
from ttl.export.images_through import Outcome, Unread, through
from ttl.export.run import FileModel, Probabilities
from ttl.stats import Combine, DecisionRule, combined_rows
from ttl.typed import OptionalKey

POSITIVE, NEGATIVE = "positive", "negative"


@dataclass(frozen=True)
class Finding:
    """Classes that are one finding, and the probability of it."""

    classes: tuple[str, ...]
    probability: float


@dataclass(frozen=True, kw_only=True)
class FileDecision:
    """Of one image, or of one patient.

    Attributes:
        chosen: the class; of several that are grouped into a finding, and of labels, the most probable one.
        decision: the class; with a finding of several classes `positive` or `negative`; of labels those there are.
    """

    chosen: Annotated[str, Field(alias="class")]
    probabilities: Mapping[str, float]
    decision: str | tuple[str, ...]
    finding: OptionalKey[Finding] = None


@dataclass(frozen=True)
class ImageDecision:
    """`image` is a path, of a frame `path#3`.

    `patient` is empty where it isn't known, `remark` where nothing is to be said of the image itself.
    """

    image: Path
    patient: str
    decided: FileDecision
    remark: str = ""


@dataclass(frozen=True)
class PatientDecision:
    """With the probabilities that each image has, from which those of the patient were combined; remarks on images."""

    patient: str
    decided: FileDecision
    images: Mapping[Path, Mapping[str, float]]
    remarks: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UndecidedPatient:
    """One of whose images some can't be read: why, and what the others have."""

    patient: str
    unread: Mapping[Path, str]
    images: Mapping[Path, Mapping[str, float]]
    remarks: Mapping[Path, str] = field(default_factory=dict)


def rule_for(
    contract: Contract,
    *,
    threshold: float | None = None,
    per: Literal["image", "patient"] | None = None,
    combine: Combine | None = None,
) -> DecisionRule:
    """The file's own rule, with what is given in place of its own.

    Raises:
        UsageError: the file has no threshold that another one could stand for, or draws masks, which patients have
            none of.
    """
    rule = contract.rule
    if threshold is not None:
        rule = contract.kind.with_threshold(rule, threshold, contract.class_names)
    if contract.per_pixel:
        if per == "patient":
            raise UsageError("the model decides on pixels, and a patient has none: leave --decide-per out.")
        return rule
    return replace(rule, per=per or rule.per, combine=combine or rule.combine)


def image_decisions(model: FileModel, images: ImageList, rule: DecisionRule) -> Iterator[ImageDecision | Unread]:
    """Of each image, in their order, as they are done."""
    for outcome in through(model, images):
        if isinstance(outcome, Unread):
            yield outcome
        else:
            (decided,) = _decided(model.contract, rule, outcome.probabilities[None])
            yield ImageDecision(outcome.image, outcome.patient, decided, outcome.remark)


def patient_decisions(
    model: FileModel, images: ImageList, rule: DecisionRule
) -> Iterator[PatientDecision | UndecidedPatient]:
    """Of each patient, in the order in which they first appear, as they are done.

    A patient is decided on by all of their images, as the file was tested, or not at all.

    Raises:
        UsageError: of an image no patient is known.
    """
    images.check_patients()
    each = groupby(through(model, images.by_patient()), lambda outcome: outcome.patient)
    return (_of_patient(model.contract, rule, patient, list(outcomes)) for patient, outcomes in each)


def _of_patient(
    contract: Contract, rule: DecisionRule, patient: str, outcomes: list[Outcome]
) -> PatientDecision | UndecidedPatient:
    unread = {each.image: each.reason for each in outcomes if isinstance(each, Unread)}
    seen = [each for each in outcomes if not isinstance(each, Unread)]
    names = contract.class_names
    images = {each.image: dict(zip(names, each.probabilities.tolist(), strict=True)) for each in seen}
    remarks = {each.image: each.remark for each in seen if each.remark}
    if unread:
        return UndecidedPatient(patient, unread, images, remarks)
    rows = np.stack([each.probabilities for each in seen])
    together, _ = combined_rows(rows, [patient] * len(rows), rule.combine, exclusive=contract.kind.one_class_each)
    (decided,) = _decided(contract, rule, together)
    return PatientDecision(patient, decided, images, remarks)


def _decided(contract: Contract, rule: DecisionRule, rows: Probabilities) -> list[FileDecision]:
    """A decision a row of `(n, classes)`."""
    names, decisions = contract.class_names, rule.decisions(rows, contract.class_names)
    scores = rule.finding_scores(rows, names).tolist() if rule.finding else [None] * len(rows)
    made = []
    for row, each, score in zip(rows.tolist(), decisions.tolist(), scores, strict=True):
        chosen = names[max(range(len(row)), key=row.__getitem__)]
        decision: str | tuple[str, ...] = chosen
        finding = None
        if isinstance(each, list):
            decision = tuple(name for name, there in zip(names, each, strict=True) if there)
        elif score is not None and contract.kind.has_positive:
            decision = chosen = next(name for name in names if (name in rule.finding) == bool(each))
        elif score is not None:
            decision, finding = POSITIVE if each else NEGATIVE, Finding(rule.finding, score)
        shares = dict(zip(names, row, strict=True))
        made.append(FileDecision(chosen=chosen, probabilities=shares, decision=decision, finding=finding))
    return made
