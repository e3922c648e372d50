"""Labels and probabilities of one set of samples, checked against each other and against the kind of task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError
from ttl.stats.defined import Array

Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

KINDS = ("binary", "multiclass", "multilabel")
MISSING = -1
ROUNDING = 1e-6
"""How far outside [0, 1] a probability may lie: what float32 loses."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was said of each sample, and what is true of it.

    A decision is what accuracy and calibration count: one a sample (`decisions` is 1), or one for every class of
    a multilabel task, of which those about missing labels are not known.

    Attributes:
        kind: one of `KINDS`.
        labels: `(n,)`, or `(n, classes)` of a multilabel task.
        scores: `(n, classes)`.
        actual: `(n, classes)` the sample is of the class.
        predicted: `(n, classes)` the sample is said to be, its label missing or not.
        known: `(n, classes)` the label is not missing.
        right: `(n, decisions)` the decision is known, and as the label has it.
        decided: `(n, decisions)` the decision is known.
        confidence: `(n, decisions)` probability of what was decided.
    """

    kind: str
    labels: Labels
    scores: Array
    actual: Flags
    predicted: Flags
    known: Flags
    right: Flags
    decided: Flags
    confidence: Array

    @classmethod
    def of(cls, kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Predictions:
        """Check and unfold.

        Args:
            kind: One of `KINDS`.
            labels: `(n,)` integers in `[0, classes)`; `(n, classes)` of 0, 1 and -1 (missing) if multilabel.
            probabilities: `(n, classes)`.

        Raises:
            UsageError: There is no such kind, or the shapes don't fit.
            DataError: A probability is not finite (or outside [0, 1] if multilabel), or a label is none.
        """
        found, scores = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
        _check_shapes(kind, found, scores)
        if not np.isfinite(scores).all():
            bad = int((~np.isfinite(scores)).any(axis=1).sum())
            raise DataError(f"{bad} of {len(scores)} predictions are not finite; the model that gave them is broken.")
        if kind == "multilabel":
            check_probabilities(scores)
            _check_multilabel(found)
            return cls._of_many(found, scores)
        if len(found) and (found.min() < 0 or found.max() >= scores.shape[1]):
            raise DataError(f"labels go from {found.min()} to {found.max()}; they must be in 0..{scores.shape[1] - 1}.")
        return cls._of_one(kind, found, scores)

    @classmethod
    def _of_one(cls, kind: str, labels: Labels, scores: Array) -> Predictions:
        classes = np.arange(scores.shape[1])
        said = scores.argmax(axis=1)
        actual, predicted = labels[:, None] == classes, said[:, None] == classes
        right = (said == labels)[:, None]
        known, decided = np.ones_like(actual), np.ones_like(right)
        confidence = scores.max(axis=1, keepdims=True)
        return cls(kind, labels, scores, actual, predicted, known, right, decided, confidence)

    @classmethod
    def _of_many(cls, labels: Labels, scores: Array) -> Predictions:
        actual, predicted, known = labels == 1, scores >= 0.5, labels != MISSING
        right = known & (actual == predicted)
        confidence = np.maximum(scores, 1 - scores)
        return cls("multilabel", labels, scores, actual, predicted, known, right, known, confidence)

    @property
    def classes(self) -> int:
        """Columns of the scores."""
        return self.scores.shape[1]

    @property
    def strata(self) -> Labels:
        """`(n,)` what resamples keep the shares of: the class, or nothing where a sample has many labels."""
        return np.zeros(len(self.labels), np.int64) if self.kind == "multilabel" else self.labels


def check_probabilities(scores: Array) -> None:
    """Refuse logits where probabilities are read as such.

    Raises:
        DataError: One lies outside [0, 1].
    """
    if scores.size and (scores.min() < -ROUNDING or scores.max() > 1 + ROUNDING):
        raise DataError(
            f"probabilities go from {scores.min():g} to {scores.max():g}; they must lie in 0..1: "
            "apply the softmax (the sigmoid of a multilabel task) first."
        )


def _check_shapes(kind: str, labels: Labels, scores: Array) -> None:
    if kind not in KINDS:
        raise UsageError(f"there are no metrics for kind {kind!r}; choose one of {', '.join(KINDS)}.")
    if kind == "multilabel":
        if scores.ndim != 2 or labels.shape != scores.shape:
            raise UsageError(f"labels {labels.shape} and probabilities {scores.shape} must both be (n, classes).")
        fewest = 1
    else:
        if labels.ndim != 1 or scores.ndim != 2 or len(labels) != len(scores):
            raise UsageError(f"labels {labels.shape} and probabilities {scores.shape} must be (n,) and (n, classes).")
        fewest = 2
    if scores.shape[1] < fewest or (kind == "binary" and scores.shape[1] != 2):
        raise UsageError(f"a {kind} task can't have {scores.shape[1]} columns of probabilities; give one a class.")


def _check_multilabel(labels: Labels) -> None:
    strange = np.setdiff1d(labels, [MISSING, 0, 1])
    if len(strange):
        raise DataError(f"labels of a multilabel task are 0, 1 or -1 (missing), not {strange[0]}.")
