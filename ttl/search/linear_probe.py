"""A regularised logistic regression of features, and the same as a linear layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ttl.data.task import MISSING

REGULARISATION = 0.1  # C of scikit-learn's logistic regression on standardised features: many channels, few images
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
    scaler, model = (step for _, step in classifier(regularisation).fit(features.astype(np.float64), labels).steps)
    weight = model.coef_ / scaler.scale_
    bias = model.intercept_ - weight @ scaler.mean_
    return weight.astype(np.float32), bias.astype(np.float32)
