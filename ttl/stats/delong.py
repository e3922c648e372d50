"""DeLong's variance of the AUROC (DeLong et al. 1988), by midranks (Sun & Xu 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError
from ttl.stats.resampling import Array
from ttl.words.estimate import Estimate

Z95 = 1.959963984540054
UNDEFINED = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class PairedAUROC:
    """The AUROC of `a` less that of `b` on the same samples."""

    difference: Estimate  # with its normal 95 % interval
    z: float  # the difference over its standard error; nan where that is 0 or can't be estimated
    p: float  # two-sided; 1 where the two rank alike, nan where the standard error can't be estimated


def delong(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Estimate:
    """The AUROC with DeLong's 95 % interval, made on the logit scale so that it stays in (0, 1).

    The interval is nan where the variance can't be estimated: at an AUROC of exactly 0 or 1, where that scale ends,
    and with a single positive or negative.

    Args:
        labels: `(n,)` 0 or 1.
        scores: `(n,)`, the higher the more positive.

    Raises:
        UsageError: shapes that don't fit.
        DataError: a label that is neither, or a score that isn't finite.
    """
    truth, values = _checked(labels, scores)
    if truth.all() or not truth.any():
        return UNDEFINED
    (area,), cover = _areas(truth, values[None])
    error = math.sqrt(cover[0, 0])
    if math.isnan(error) or error == 0 or not 0 < area < 1:
        return Estimate(float(area), math.nan, math.nan)
    logit, step = math.log(area / (1 - area)), Z95 * error / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-(logit + side))) for side in (-step, step))
    return Estimate(float(area), low, high)


def delong_paired(labels: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike) -> PairedAUROC:
    """Compare the AUROCs of two models by their scores `(n,)` of the same samples; arguments and errors of `delong`."""
    truth, first = _checked(labels, a)
    _, second = _checked(labels, b)
    if truth.all() or not truth.any():
        return PairedAUROC(UNDEFINED, math.nan, math.nan)
    areas, cover = _areas(truth, np.stack([first, second]))
    value = float(areas[0] - areas[1])
    # Rounding may take a variance of 0 below it; what is nan stays so.
    error = float(np.sqrt(np.maximum(0.0, cover[0, 0] + cover[1, 1] - 2 * cover[0, 1])))
    if error == 0 and value == 0 and not math.isnan(cover[0, 0]):
        return PairedAUROC(Estimate(0.0, 0.0, 0.0), math.nan, 1.0)
    if math.isnan(error) or error == 0:
        return PairedAUROC(Estimate(value, math.nan, math.nan), math.nan, math.nan)
    z = value / error
    interval = Estimate(value, value - Z95 * error, value + Z95 * error)
    return PairedAUROC(interval, z, math.erfc(abs(z) / math.sqrt(2)))


def _areas(truth: npt.NDArray[np.bool_], scores: Array) -> tuple[Array, Array]:
    """AUROCs `(models,)` and their covariances `(models, models)` for `scores` `(models, n)`."""
    from scipy.stats import rankdata  # half a second to import

    positives, negatives = int(truth.sum()), int((~truth).sum())
    ranks = rankdata(scores, axis=1)
    # Of each positive the share of negatives that it beats, and of each negative the share of positives that beat it.
    above = (ranks[:, truth] - rankdata(scores[:, truth], axis=1)) / negatives
    below = 1 - (ranks[:, ~truth] - rankdata(scores[:, ~truth], axis=1)) / positives
    spread = _covariance(above) / positives + _covariance(below) / negatives
    return above.mean(axis=1), spread


def _covariance(rows: Array) -> Array:
    if rows.shape[1] < 2:
        return np.full((len(rows), len(rows)), np.nan)
    return np.atleast_2d(np.cov(rows))


def _checked(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], Array]:
    truth, values = np.asarray(labels), np.asarray(scores, np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise UsageError(f"labels {truth.shape} and scores {values.shape} must both be (n,).")
    if not np.isin(truth, (0, 1)).all():
        raise DataError("labels must be 0 or 1; score one class against the rest.")
    if not np.isfinite(values).all():
        raise DataError("a score is not finite; the model that gave it is broken.")
    return truth == 1, values
