"""The probe: one pass of the pretrained network over the training images, then a linear classifier at every point."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan, sqrt

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ttl.data import Kind
from ttl.data.task import MISSING
from ttl.search.evidence.curve import Curve, Look
from ttl.search.evidence.samples import FeatureSamples
from ttl.search.linear_probe import REGULARISATION, Floats, Numbers, classifier
from ttl.stats import metrics, overlap

FOLDS = 5


def probe_curve(samples: FeatureSamples, kind: Kind, classes: int, *, seed: int) -> Curve:
    """The cross-validated score of a linear classifier on each candidate's features of the training images.

    It is the primary metric: mean over the folds, and its standard error; of pixels Dice, those of a fold as one image.
    """
    folds = list(_folds(samples.labels, samples.groups, seed))
    return Curve("probe", kind.primary, tuple(_look(samples, name, kind, classes, folds) for name in samples.maps))


def _look(samples: FeatureSamples, name: str, kind: Kind, classes: int, folds: list[tuple[Numbers, Numbers]]) -> Look:
    features = samples.at(name)
    scores = [_score(features, samples.labels, kind, classes, *fold) for fold in folds]
    defined = [score for score in scores if score == score]
    if len(defined) < 2:
        return Look(name, nan, nan)
    return Look(name, float(np.mean(defined)), float(np.std(defined, ddof=1)) / sqrt(len(defined)))


def _folds(labels: Numbers, groups: tuple[str, ...] | None, seed: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Positions to learn from and to score on; stratified by class (by the rarest of several), patients whole."""
    strata = labels
    if labels.ndim == 2:
        rarity = np.argsort((labels == 1).sum(0), kind="stable")
        strata = np.full(len(labels), labels.shape[1])
        for column in rarity[::-1]:
            strata[labels[:, column] == 1] = column
    folds = StratifiedKFold if groups is None else StratifiedGroupKFold
    fewest = int(np.unique(strata, return_counts=True)[1].min())
    n = max(2, min(FOLDS, fewest, FOLDS if groups is None else len(set(groups))))
    yield from folds(n, shuffle=True, random_state=seed).split(strata, strata, groups)


def _score(features: Floats, labels: Numbers, kind: Kind, classes: int, learn: Numbers, test: Numbers) -> float:
    """The score on one fold."""
    if labels.ndim == 1:
        predicted = _probabilities(features, labels, learn, test, classes)
    else:
        columns = ((column, learn[column[learn] != MISSING]) for column in labels.T)
        predicted = np.stack([_probabilities(features, column, known, test, 2)[:, 1] for column, known in columns], 1)
    truth = labels[test]
    if kind.per_pixel:  # all pixels of the fold as one image
        predicted = overlap(truth[None], predicted.T[:, None])[None]
        truth = np.ones((1, classes), np.int64)
    return metrics(kind, truth, predicted, (kind.primary,))[kind.primary]


def _probabilities(
    features: Floats, labels: Numbers, learn: Numbers, test: Numbers, classes: int
) -> npt.NDArray[np.float64]:
    """`(n, classes)` of a regularised logistic regression; a class that wasn't there to learn from gets 0."""
    predicted = np.zeros((len(test), classes))
    present = np.unique(labels[learn])
    if len(present) < 2:
        predicted[:, present] = 1.0
        return predicted
    model = classifier(REGULARISATION).fit(features[learn].astype(np.float64), labels[learn])
    predicted[:, present] = model.predict_proba(features[test].astype(np.float64))
    return predicted
