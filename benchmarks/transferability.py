"""Scores of pretrained features without training, for search_regret.py: the higher, the better they should transfer.

Each takes features `(n, d)` and class labels `(n,)`, and gives a number that compares features of different d.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
DISTORTION = 1e-4
"""Epsilon of TransRate, as its authors take it."""


def logme(features: Floats, labels: Labels) -> float:
    """The log evidence of a Bayesian linear model, mean over classes (You et al., ICML 2021, algorithm 1)."""
    n, d = features.shape
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    squared = singular**2
    scores = []
    for label in np.unique(labels):
        target = (labels == label).astype(np.float64)
        projected = (left.T @ target) ** 2
        outside = max(float(target @ target - projected.sum()), 0.0)
        alpha, beta = 1.0, 1.0
        for _ in range(100):
            ratio = alpha / beta
            gamma = float((squared / (squared + ratio)).sum())
            weights = float((squared * projected / (squared + ratio) ** 2).sum())
            residual = float((projected / (1 + squared / ratio) ** 2).sum()) + outside
            alpha, beta = gamma / (weights + 1e-12), (n - gamma) / (residual + 1e-12)
            if abs(alpha / beta - ratio) <= 1e-3 * ratio:
                break
        evidence = d * log(alpha) + n * log(beta) - float(np.log(alpha + beta * squared).sum())
        evidence -= (d - len(squared)) * log(alpha) + beta * residual + alpha * weights + n * log(2 * np.pi)
        scores.append(evidence / (2 * n))
    return float(np.mean(scores))


def h_score(features: Floats, labels: Labels) -> float:
    """Between-class variance in whitened features (Bao et al., ICIP 2019, definition 2)."""
    centred = features - features.mean(0)
    means = np.zeros_like(centred)
    for label in np.unique(labels):
        means[labels == label] = centred[labels == label].mean(0)
    return float(np.trace(np.linalg.pinv(np.cov(centred.T), rcond=1e-8) @ np.cov(means.T)))


def transrate(features: Floats, labels: Labels) -> float:
    """Coding rate of all features less its mean over the classes (Huang et al., ICML 2022, equation 5)."""
    centred = features - features.mean(0)
    within = [_rate(centred[labels == label]) for label in np.unique(labels)]
    return _rate(centred) - float(np.mean(within))


def _rate(features: Floats) -> float:
    n, d = features.shape
    gram = features.T @ features / (n * DISTORTION)
    return float(np.linalg.slogdet(np.eye(d) + gram)[1]) / 2


SCORES: dict[str, Callable[[Floats, Labels], float]] = {"logme": logme, "h-score": h_score, "transrate": transrate}
