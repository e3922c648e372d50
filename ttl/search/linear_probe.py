"""A regularised logistic regression of features, and the same as a linear layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ttl.data.task import MISSING
from ttl.stats.recalibration import fit

REGULARISATION = 0.1  # C of scikit-learn's logistic regression on standardised features: many channels, few images
HALVES = 2
Exact = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


def classifier(regularisation: float) -> Pipeline:
    """Standardised features, then logistic regression."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=regularisation, max_iter=500))


def linear_probe(
    features: Floats, labels: Numbers, classes: int, *, regularisation: float = REGULARISATION
) -> tuple[Floats, Floats] | None:
    """The probe's classifier as a linear layer: weight `(classes, width)` and bias `(classes,)`.

    Features are `(n, width)`; labels `(n,)`, or `(n, classes)` of 1, 0 and -1, where a sample may have several. None
    where there is nothing to tell apart, or a class that none of the images shows.
    """
    if labels.ndim == 1:
        if len(np.unique(labels)) < classes:
            return None
        weight, bias = _linear(features, labels, regularisation)
        if classes > 2:
            return weight, bias
        # Of two classes there is one score, and a layer has one for each: their difference is what counts.
        signs = np.array([[-0.5], [0.5]], np.float32)
        return signs * weight, signs[:, 0] * bias
    rows = []
    for column in labels.T:
        known = column != MISSING
        if len(np.unique(column[known])) < 2:
            return None
        rows.append(_linear(features[known], column[known], regularisation))
    return np.concatenate([weight for weight, _ in rows]), np.concatenate([bias for _, bias in rows])


def _linear(features: Floats, labels: Numbers, regularisation: float) -> tuple[Floats, Floats]:
    """Weight and bias of the classifier, of features as they are: the scaling is within them."""
    exact = features.astype(np.float64)
    scaler, model = (step for _, step in classifier(regularisation).fit(exact, labels).steps)
    weight = model.coef_ / scaler.scale_
    bias = model.intercept_ - weight @ scaler.mean_
    factor, shift = _scale(exact, labels, regularisation)
    return (weight * factor).astype(np.float32), (bias * factor + shift).astype(np.float32)


def _scale(features: Exact, labels: Numbers, regularisation: float) -> tuple[float, float]:
    """What the classifier's scores must be multiplied by, and shifted, to mean probabilities.

    A strong penalty leaves them near 0; by how much, scores of images that it wasn't fitted to say.
    """
    if np.bincount(labels).min() < HALVES:
        return 1.0, 0.0
    halves = StratifiedKFold(HALVES, shuffle=True, random_state=0)
    scores = cross_val_predict(classifier(regularisation), features, labels, cv=halves, method="decision_function")
    two = scores.ndim == 1
    made = fit(
        scores[:, None] if two else scores,
        labels[:, None] if two else labels,
        activation="sigmoid" if two else "softmax",
    )
    return made.scale[0], made.shift[0]
