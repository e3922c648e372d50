"""What an exported file decides of images and of patients, by its own rule or by another that a person asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ttl.data import ImageList, open_image, remark
from ttl.errors import UsageError
from ttl.export.contract import Contract
from ttl.export.run import FileModel, Probabilities
from ttl.stats import Combine, DecisionRule, combined_rows
from ttl.typed import OptionalKey

TOGETHER = 64
"""Images that are open at a time, and predicted together."""
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


def image_decisions(model: FileModel, images: ImageList, rule: DecisionRule) -> Iterator[ImageDecision]:
    """Of each image, in their order.

    Raises:
        DataError: an image can't be read.
    """
    names = images.names
    for start in range(0, len(names), TOGETHER):
        part = slice(start, start + TOGETHER)
        rows, remarks = _predicted(model, images.numbered[part])
        decided = _decided(model.contract, rule, rows)
        for name, patient, each, words in zip(names[part], images.patients[part], decided, remarks, strict=True):
            yield ImageDecision(name, patient, each, words)


def patient_decisions(model: FileModel, images: ImageList, rule: DecisionRule) -> list[PatientDecision]:
    """Of each patient, in the order in which they first appear.

    Raises:
        UsageError: of an image no patient is known.
        DataError: an image can't be read.
    """
    images.check_patients()
    numbered, own = images.numbered, model.contract
    parts = [_predicted(model, numbered[i : i + TOGETHER]) for i in range(0, len(numbered), TOGETHER)]
    rows = [row for part, _ in parts for row in part]
    remarks = dict(zip(images.names, [words for _, part in parts for words in part], strict=True))
    together, names = combined_rows(rows, images.patients, rule.combine, exclusive=own.kind.one_class_each)
    seen: dict[str, dict[Path, Mapping[str, float]]] = {name: {} for name in names}
    for name, patient, row in zip(images.names, images.patients, rows, strict=True):
        seen[patient][name] = dict(zip(own.class_names, row.tolist(), strict=True))
    decided = _decided(own, rule, together)
    return [
        PatientDecision(name, each, seen[name], {path: remarks[path] for path in seen[name] if remarks[path]})
        for name, each in zip(names, decided, strict=True)
    ]


def _predicted(model: FileModel, numbered: tuple[tuple[Path, int], ...]) -> tuple[Probabilities, list[str]]:
    """The probabilities, a row an image; and a remark on each. Of files and their frames, see `ImageList`."""
    rendering = model.contract.decoding.rendering
    images = [open_image(path, rendering.at(number)) for path, number in numbered]
    return model.predict_images(images), [remark(image) for image in images]


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
