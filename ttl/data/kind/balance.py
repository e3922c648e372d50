"""What evens out rare classes: their weight in the loss, or how often their samples are drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ttl.data.task import Labels

Weights = npt.NDArray[np.float64]


def class_weights(labels: Labels, classes: int) -> Weights:
    """`(classes,)` weights that make every class of the labels `(n,)` count alike, see `inverse_frequency`."""
    return inverse_frequency(np.bincount(labels, minlength=classes))


def positive_weights(labels: Labels) -> Weights:
    """`(classes,)` negatives over positives of each class of the labels `(n, classes)`; 1 where either isn't there."""
    positives, negatives = (labels == 1).sum(0), (labels == 0).sum(0)
    return np.where((positives > 0) & (negatives > 0), negatives / np.maximum(positives, 1), 1.0)


def inverse_frequency(counts: Labels) -> Weights:
    """`(classes,)` weights inverse to the counts `(classes,)`, 1 on average; 1 for a class that isn't there."""
    present = np.count_nonzero(counts)
    return np.where(counts > 0, counts.sum() / (present * np.maximum(counts, 1)), 1.0)


def log_odds_of_labels(labels: Labels, draws: Weights | None = None) -> Weights:
    """`(classes,)`: log odds of positive over negative of the labels `(n, classes)`, drawn so often `(n,)` or alike.

    0 for a class that is all positive, or all negative.
    """
    drawn = np.ones(len(labels)) if draws is None else draws
    positives, negatives = drawn @ (labels == 1), drawn @ (labels == 0)
    both = (positives > 0) & (negatives > 0)
    return np.where(both, np.log(np.where(both, positives, 1) / np.where(both, negatives, 1)), 0.0)


def draws_of_classes(labels: Labels, classes: int) -> Weights:
    """`(n,)`: how often to draw each sample `(n,)` so that every class is seen alike; sums to 1."""
    weights = class_weights(labels, classes)[labels]
    return np.asarray(weights / weights.sum())


def draws_of_labels(labels: Labels) -> Weights:
    """`(n,)`: how often to draw each sample `(n, classes)`: for the rarest of its positive classes, or as a negative;
    sums to 1."""
    has = labels == 1
    rarity, bare = 1 / np.maximum(has.sum(0), 1), 1 / max(1, int((~has.any(1)).sum()))
    weights = np.where(has.any(1), np.where(has, rarity, 0).max(1), bare)
    return np.asarray(weights / weights.sum())
