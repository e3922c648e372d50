"""The most likely slope, or slope and shift, of logits, by Platt's smoothed targets (1999).

Targets a little inside 0 and 1 are what one more row of each kind would make of the shares: without them, classes that
are perfectly separated give endless slopes.
"""

from __future__ import annotations

import math

import numpy as np

from ttl.stats.resampling import Array

STEEPEST = 1e4
"""The largest slope, in standard deviations of the logits; the smallest is one by this."""


def slope(logits: Array, truth: Array, weights: Array) -> float:
    """By what logits must be multiplied (one by the temperature); 1 where no number above 0 is better than guessing.

    Args:
        logits: `(m, classes)`.
        truth: `(m, classes)`, 1 for the class of each row, else 0.
        weights: `(m,)`.
    """
    from scipy.optimize import brentq
    from scipy.special import softmax

    if not len(logits):
        return 1.0
    centred = logits - logits.mean(axis=1, keepdims=True)
    size = float(np.sqrt((weights[:, None] * centred**2).sum() / (weights.sum() * centred.shape[1])))
    if not size:
        return 1.0
    z = centred / size
    # Platt smooths each of two classes by its own count; there is one number for all classes here, so by that of all.
    other = 1 / (len(z) + 2)
    wanted = truth * (1 - other) + (1 - truth) * other / (z.shape[1] - 1)
    aim = (wanted * z).sum(axis=1)

    def steepness(power: float) -> float:
        return float(weights @ ((softmax(math.exp(power) * z, axis=1) * z).sum(axis=1) - aim))

    reach = math.log(STEEPEST)
    if steepness(-reach) >= 0:
        return 1.0
    if steepness(reach) <= 0:
        return STEEPEST / size
    return math.exp(brentq(steepness, -reach, reach, xtol=1e-9)) / size


def line(logits: Array, truth: Array, weights: Array) -> tuple[float, float]:
    """Scale and shift of one label; (1, 0) where no scale above 0 fits better than a shift alone.

    Args:
        logits: `(m,)`.
        truth: `(m,)` of 0 and 1, both there.
        weights: `(m,)`.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    middle, size = float(logits.mean()), float(logits.std())
    if not size:
        return 1.0, 0.0
    z, share = (logits - middle) / size, weights / weights.sum()
    positives = truth.sum()
    wanted = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2))

    def loss(ab: Array) -> tuple[float, Array]:
        moved = ab[0] * z + ab[1]
        residual = share * (expit(moved) - wanted)
        return float(share @ (np.logaddexp(0, moved) - wanted * moved)), np.array([residual @ z, residual.sum()])

    scale, shift = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    if scale <= 1 / STEEPEST:
        return 1.0, 0.0
    return float(scale / size), float(shift - scale * middle / size)
