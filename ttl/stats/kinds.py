"""Metrics of any kind of task: what each kind is scored by, and the one door to its scorer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.decisions import DecisionScorer
from ttl.stats.label_scoring import LabelScorer
from ttl.stats.pixel_calibration import PixelScorer
from ttl.stats.resampling import Array
from ttl.stats.sample_values import ValueScorer
from ttl.stats.scoring import Scorer
from ttl.stats.segmentation import SegmentationScorer

LOWER_IS_BETTER = ("ece", "hd95", "cost", "brier", "log_loss")

AnyScorer = Scorer | SegmentationScorer | DecisionScorer | PixelScorer | ValueScorer
SCORERS: dict[str, type[AnyScorer]] = {
    "binary": Scorer,
    "multiclass": Scorer,
    "multilabel": LabelScorer,
    "segmentation": SegmentationScorer,
    "decision": DecisionScorer,
    "pixels": PixelScorer,
    "values": ValueScorer,
}
KINDS = tuple(SCORERS)


def _scorer_of(kind: str) -> type[AnyScorer]:
    if kind not in SCORERS:
        raise UsageError(f"there are no metrics for kind {kind!r}; choose one of {', '.join(KINDS)}.")
    return SCORERS[kind]


def all_metrics(kind: str) -> tuple[str, ...]:
    """Every metric of a kind of task.

    Raises:
        UsageError: no such kind.
    """
    return _scorer_of(kind).every


def headline(kind: str) -> tuple[str, ...]:
    """The metrics that are reported while training, and unless more is asked for; errors as of `all_metrics`."""
    return _scorer_of(kind).headline


def primary(kind: str) -> str:
    """The metric that points are compared by; errors as of `all_metrics`."""
    return headline(kind)[0]


def scorer(kind: str, labels: npt.ArrayLike, predicted: npt.ArrayLike, names: Iterable[str] | None = None) -> AnyScorer:
    """The scorer of one set of predictions; arguments and errors as of `metrics`."""
    made = _scorer_of(kind)
    wanted = made.headline if names is None else tuple(names)
    strangers = [name for name in wanted if name not in made.every]
    if strangers:
        raise UsageError(f"metric {strangers[0]!r} is unknown; choose one of {', '.join(made.every)}.")
    return made(kind, labels, predicted, wanted)


def classified(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Scorer:
    """The scorer of a kind whose predictions are probabilities of classes, for what no metric is.

    Raises:
        UsageError: another kind, or shapes that don't fit.
        DataError: a probability is not finite, or a label is outside the classes.
    """
    classifiers = {name: made for name, made in SCORERS.items() if issubclass(made, Scorer)}
    if kind not in classifiers:
        raise UsageError(
            f"predictions of kind {kind!r} are no probabilities of classes; choose {', '.join(classifiers)}."
        )
    return classifiers[kind](kind, labels, probabilities, ())


def metrics(
    kind: str, labels: npt.ArrayLike, predicted: npt.ArrayLike, names: Iterable[str] | None = None
) -> dict[str, float]:
    """Metrics of one set of predictions; of a classifier as scikit-learn defines them.

    Args:
        kind: one of `KINDS`.
        labels: `(n,)`; `(n, classes)` of 0, 1 and -1 for `multilabel`; `(n, classes)`, whether the image holds the
            class, for `segmentation` and `pixels`; any of these for `values`.
        predicted: `(n, classes)` probabilities; for `segmentation` `(n, classes, 5)`, of `overlap`; for `decision` 0
            or 1, `(n,)` of one finding or `(n, labels)`; for `values` `(n,)`, a value a sample; for `pixels`
            `(n, 2 + classes + bins)`, of `pixel_calibration`.
        names: of `all_metrics(kind)`; None takes `headline(kind)`.

    Raises:
        UsageError: no such kind or metric, or shapes that don't fit.
        DataError: a prediction is not finite, or a label is outside the classes.
    """
    score = scorer(kind, labels, predicted, names)
    return {name: float(values[0]) for name, values in score(np.ones((1, len(score.labels)))).items()}


def auprc(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Average precision: the mean, over positives, of the precision at their score. See `metrics`."""
    return metrics(kind, labels, probabilities, ("auprc",))["auprc"]


def auroc(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The chance that a positive scores above a negative, a tie counting half. See `metrics`."""
    return metrics(kind, labels, probabilities, ("auroc",))["auroc"]


def accuracy(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The share of samples whose most probable class is their label. See `metrics`."""
    return metrics(kind, labels, probabilities, ("accuracy",))["accuracy"]


def per_class(kind: str, labels: npt.ArrayLike, predicted: npt.ArrayLike) -> dict[str, Array]:
    """Figures of each class: name -> `(classes,)`, nan where undefined; arguments and errors as of `metrics`.

    Of a classifier AUPRC, AUROC, recall, precision and support (its positives); in `segmentation` every metric and
    support (the images whose truth holds the class), the background included.
    """
    return scorer(kind, labels, predicted).per_class()
