"""From probabilities to decisions: a finding's threshold, an image or a patient at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError
from ttl.stats.operating import Aim, Threshold
from ttl.stats.resampling import Array, Labels
from ttl.typed import digest_of, to_json

Combine = Literal["mean", "max"]


@dataclass(frozen=True)
class DecisionRule:
    """How a model's probabilities become decisions.

    No thresholds: the most probable class. One threshold and a finding: whether the summed probability of the finding's
    classes reaches it. A threshold a label: whether the label's probability reaches it.

    Attributes:
        finding: names of the classes that make the finding.
        thresholds: none, one, or one a label.
        aim: what they were chosen for.
        set_on: what each does on the samples that it was set on.
        per: what is decided on.
        combine: how the probabilities of a patient's images become one, where patients are decided on.
    """

    finding: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    aim: Aim = field(default_factory=Aim)
    set_on: tuple[Threshold, ...] = ()
    per: Literal["image", "patient", "pixel"] = "image"
    combine: Combine = "mean"
    sisters: int = 0  # by so many other models of the same network it was set, out of fold; 0 by the model itself

    def finding_scores(self, rows: npt.ArrayLike, class_names: Sequence[str]) -> Array:
        """`(n,)` the probability of the finding, of `(n, classes)` probabilities.

        Raises:
            UsageError: a class of the finding isn't among the names, or there is no finding.
        """
        strangers = [name for name in self.finding if name not in class_names]
        if strangers or not self.finding:
            wanted = strangers[0] if strangers else "of no name"
            raise UsageError(f"there is no class {wanted}: the finding's classes are among {', '.join(class_names)}.")
        columns = [class_names.index(name) for name in self.finding]
        summed: Array = np.asarray(rows, np.float64)[:, columns].sum(axis=1)
        return summed

    def decisions(self, rows: npt.ArrayLike, class_names: Sequence[str]) -> Labels:
        """Of `(n, classes)` probabilities: `(n,)` the most probable class, or whether the finding is there (0, 1).

        With a threshold a label `(n, labels)`. Errors as of `finding_scores`; a DataError where thresholds don't fit.
        """
        given = np.asarray(rows, np.float64)
        if not self.thresholds:
            return np.asarray(given.argmax(axis=1), np.int64)
        if self.finding:
            return (self.finding_scores(given, class_names) >= self.thresholds[0]).astype(np.int64)
        if len(self.thresholds) != given.shape[1]:
            raise DataError(f"{len(self.thresholds)} thresholds for {given.shape[1]} labels: give one a label.")
        return (given >= np.array(self.thresholds)).astype(np.int64)

    def fits(self, class_names: Sequence[str]) -> bool:
        """Whether it is a rule of these classes: one threshold of a finding among them, one a label, or none."""
        wanted = 1 if self.finding else len(class_names) if self.thresholds else 0
        return set(self.finding) <= set(class_names) and len(self.thresholds) == wanted

    def distances(self, rows: npt.ArrayLike, class_names: Sequence[str]) -> Array:
        """How far each decision on `(n, classes)` probabilities is from a tie, in the shape of `decisions`.

        Of a finding or a label: its probability from the threshold; else the most probable class from the next one.
        Errors as of `decisions`.
        """
        given = np.asarray(rows, np.float64)
        if not self.thresholds:
            runner_up, first = np.partition(given, -2, axis=1)[:, -2:].T
            return np.asarray(first - runner_up)
        self.decisions(given, class_names)
        scores = self.finding_scores(given, class_names) if self.finding else given
        thresholds = self.thresholds[0] if self.finding else np.array(self.thresholds)
        return np.asarray(np.abs(scores - thresholds))

    @property
    def identity(self) -> str:
        """A hash of it: two rules that differ by the last digit of a threshold are two."""
        return digest_of(to_json(self))[:12]

    def words(self, class_names: Sequence[str]) -> str:
        """The rule in one sentence."""
        whom: str = self.per
        if self.per == "patient":
            what = "mean probability" if self.combine == "mean" else "highest probability"
            whom = f"patient (by the {what} of the images)"
        if not self.thresholds:
            return f"Each {whom} gets the most probable of {', '.join(class_names)}."
        sisters = f", by {self.sisters} sister models; the confidence holds for those" if self.sisters else ""
        chosen = f"chosen for {self.aim.words()}" if self.aim.rule != "threshold" else "as asked for"
        if self.finding:
            name = " or ".join(self.finding)
            on = f"; on the images that it was set on {_rates(self.set_on[0])}" if self.set_on else ""
            lowest = _written(self.thresholds[0])
            return f"Each {whom} with a probability of {name} from {lowest} on is positive ({chosen}{on}{sisters})."
        each = ", ".join(f"{name} {_written(value)}" for name, value in zip(class_names, self.thresholds, strict=True))
        return f"Each {whom} has the labels whose probability reaches their threshold: {each} ({chosen}{sisters})."


def _written(threshold: float) -> str:
    """In as many digits as tell it from 0 and 1."""
    digits = next(digits for digits in range(3, 18) if f"{threshold:.{digits}g}" not in ("0", "1") or digits == 17)
    return f"{threshold:.{digits}g}"


def combined(
    labels: npt.ArrayLike, rows: npt.ArrayLike, groups: Sequence[str], how: Combine
) -> tuple[Labels, Array, tuple[str, ...]]:
    """One label and one row of probabilities a patient, of those of their images.

    A patient has a finding (a label) that any image has; a label is unknown where it is so in all images. Of more than
    two classes that exclude each other the images of a patient must have one. `mean`: of each column. `max`: the
    highest probability of the finding (the second of two columns) or of each label; of several classes each one's
    highest, divided by their sum.

    Args:
        labels: `(n,)` classes, or `(n, labels)` of 0, 1 and -1.
        rows: `(n, classes)` probabilities.
        groups: `(n,)` the patient of each image.
        how: to combine probabilities.

    Returns:
        labels, rows and the names of the patients, in the order in which they first appear.

    Raises:
        UsageError: shapes that don't fit.
        DataError: images of one patient have several classes.
    """
    truth, given = np.asarray(labels, np.int64), np.asarray(rows, np.float64)
    if given.ndim != 2 or len(truth) != len(given) or truth.shape not in (given.shape, given.shape[:1]):
        raise UsageError(f"labels {truth.shape} don't fit rows {given.shape}.")
    rows_made, names = combined_rows(given, groups, how, exclusive=truth.ndim == 1)
    patient = _numbered(groups)
    made = np.full((len(names), *truth.shape[1:]), -1, np.int64)
    np.maximum.at(made, patient, truth)
    if truth.ndim == 1 and given.shape[1] > 2 and (made[patient] != truth).any():
        torn = names[patient[int(np.argmax(made[patient] != truth))]]
        raise DataError(
            f"the images of patient {torn} have several classes, so that the patient has none: decide per image, or "
            "give each patient one class."
        )
    return made, rows_made, names


def combined_rows(
    rows: npt.ArrayLike, groups: Sequence[str], how: Combine, *, exclusive: bool
) -> tuple[Array, tuple[str, ...]]:
    """One row of probabilities a patient, of those of their images; see `combined`.

    Args:
        rows: `(n, classes)` probabilities.
        groups: `(n,)` the patient of each image.
        how: to combine them.
        exclusive: whether an image has one of the classes; else each is a label by itself.

    Returns:
        rows and the names of the patients, in the order in which they first appear.

    Raises:
        UsageError: shapes that don't fit.
    """
    given = np.asarray(rows, np.float64)
    if given.ndim != 2 or len(groups) != len(given):
        raise UsageError(f"{len(groups)} patients for {len(given)} images: give one an image.")
    names, patient = tuple(dict.fromkeys(map(str, groups))), _numbered(groups)
    made = np.zeros((len(names), given.shape[1]))
    if how == "mean":
        np.add.at(made, patient, given)
        return made / np.bincount(patient, minlength=len(names))[:, None], names
    np.maximum.at(made, patient, given)
    if exclusive and given.shape[1] > 2:
        made /= made.sum(axis=1, keepdims=True)
    elif exclusive:
        made[:, 0] = 1 - made[:, -1]
    return made, names


def _numbered(groups: Sequence[str]) -> Labels:
    """`(n,)` patients by the order in which they first appear."""
    number = {name: place for place, name in enumerate(dict.fromkeys(map(str, groups)))}
    return np.array([number[str(name)] for name in groups], np.int64)


def _rates(point: Threshold) -> str:
    return f"sensitivity {point.sensitivity:.3f}, specificity {point.specificity:.3f}"
