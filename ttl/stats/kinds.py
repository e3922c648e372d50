"""Metrics of any kind of task: what each kind is scored by, and the one door to its scorer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.label_scoring import LabelScorer
from ttl.stats.resampling import Array, Labels
from ttl.stats.scoring import ALL_METRICS, METRICS, Scorer
from ttl.stats.segmentation import SEGMENTATION_METRICS, SegmentationScorer

LOWER_IS_BETTER = ("ece", "hd95")


class Scoring(Protocol):
    """One set of predictions, ready to be scored under many weightings of its samples.

    Attributes:
        names: the metrics.
        labels: `(n,)`, which makes the strata of a resampling, or `(n, classes)`, which makes none.
    """

    names: tuple[str, ...]
    labels: Labels

    def __call__(self, weights: Array) -> dict[str, Array]:
        """Metric name -> `(resamples,)`, for `weights` `(resamples, n)`: how often each sample was drawn."""

    def per_class(self) -> dict[str, Array]:
        """Name -> `(classes,)`; nan where undefined."""


@dataclass(frozen=True)
class _Kind:
    """How one kind of task is scored.

    Attributes:
        every: its metrics.
        headline: those reported while training, the one that decides first.
        scorer: of labels, predictions and names.
    """

    every: tuple[str, ...]
    headline: tuple[str, ...]
    scorer: Callable[[npt.ArrayLike, npt.ArrayLike, Sequence[str]], Scoring]


SCORERS: dict[str, type[Scorer]] = {"binary": Scorer, "multiclass": Scorer, "multilabel": LabelScorer}
"""Of the kinds whose predictions are probabilities of classes."""


def _classifier(kind: str) -> _Kind:
    return _Kind(ALL_METRICS, METRICS, lambda labels, predicted, names: SCORERS[kind](kind, labels, predicted, names))


_KINDS = {kind: _classifier(kind) for kind in SCORERS} | {
    "segmentation": _Kind(SEGMENTATION_METRICS, ("dice", "jaccard"), SegmentationScorer)
}
KINDS = tuple(_KINDS)


def classified(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Scorer:
    """The scorer of a kind whose predictions are probabilities of classes, for what no metric is.

    Raises:
        UsageError: another kind, or shapes that don't fit.
        DataError: a probability is not finite, or a label is outside the classes.
    """
    if kind not in SCORERS:
        raise UsageError(f"predictions of kind {kind!r} are no probabilities of classes; choose {', '.join(SCORERS)}.")
    return SCORERS[kind](kind, labels, probabilities, ())


def all_metrics(kind: str) -> tuple[str, ...]:
    """Every metric of a kind of task.

    Raises:
        UsageError: no such kind.
    """
    return _known(kind).every


def headline(kind: str) -> tuple[str, ...]:
    """The metrics that are reported while training, and unless more is asked for.

    Raises:
        UsageError: no such kind.
    """
    return _known(kind).headline


def primary(kind: str) -> str:
    """The metric that points are compared by.

    Raises:
        UsageError: no such kind.
    """
    return _known(kind).headline[0]


def scorer(kind: str, labels: npt.ArrayLike, predicted: npt.ArrayLike, names: Iterable[str] | None = None) -> Scoring:
    """The scorer of one set of predictions. See `metrics`.

    Raises:
        UsageError: no such kind or metric, or shapes that don't fit.
        DataError: a prediction is not finite, or a label is outside the classes.
    """
    known = _known(kind)
    wanted = known.headline if names is None else tuple(names)
    unknown = [name for name in wanted if name not in known.every]
    if unknown:
        raise UsageError(f"metric {unknown[0]!r} is unknown; choose one of {', '.join(known.every)}.")
    return known.scorer(labels, predicted, wanted)


def _known(kind: str) -> _Kind:
    if kind not in _KINDS:
        raise UsageError(f"there are no metrics for kind {kind!r}; choose one of {', '.join(_KINDS)}.")
    return _KINDS[kind]


def per_class(kind: str, labels: npt.ArrayLike, predicted: npt.ArrayLike) -> dict[str, Array]:
    """Figures of each class: name -> `(classes,)`, nan where undefined.

    Of a classifier AUPRC, AUROC, recall, precision and support (its positives); in `segmentation` every metric and
    support (the images whose truth holds the class), the background included.

    Args:
        kind: one of `KINDS`.
        labels: as `metrics` takes them.
        predicted: as `metrics` takes them.

    Raises:
        UsageError: no such kind, or shapes that don't fit.
        DataError: a prediction is not finite, or a label is outside the classes.
    """
    return scorer(kind, labels, predicted).per_class()


def metrics(
    kind: str, labels: npt.ArrayLike, predicted: npt.ArrayLike, names: Iterable[str] | None = None
) -> dict[str, float]:
    """Metrics of one set of predictions; of a classifier as scikit-learn defines them.

    Args:
        kind: one of `KINDS`.
        labels: `(n,)`; `(n, classes)` of 0, 1 and -1 for `multilabel`; `(n, classes)`, whether the image holds the
            class, for `segmentation`.
        predicted: `(n, classes)` probabilities; for `segmentation` `(n, classes, 5)`, of `overlap`.
        names: of `all_metrics(kind)`; None takes `headline(kind)`.

    Raises:
        UsageError: no such kind or metric, or shapes that don't fit.
        DataError: a prediction is not finite, or a label is outside the classes.
    """
    found = scorer(kind, labels, predicted, names)
    return {name: float(values[0]) for name, values in found(np.ones((1, len(found.labels)))).items()}


def auprc(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Average precision: the mean, over positives, of the precision at their score. See `metrics`."""
    return metrics(kind, labels, probabilities, ("auprc",))["auprc"]


def auroc(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The chance that a positive scores above a negative, a tie counting half. See `metrics`."""
    return metrics(kind, labels, probabilities, ("auroc",))["auroc"]


def accuracy(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The share of samples whose most probable class is their label. See `metrics`."""
    return metrics(kind, labels, probabilities, ("accuracy",))["accuracy"]
