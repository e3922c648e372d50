"""Recalibration: logits scaled (and shifted), so that the probabilities come true as often as they say.

Temperature scaling (Guo et al., ICML 2017) where classes exclude each other, Platt's scaling (1999) of each label by
itself where they don't. Log losses are in nats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError
from ttl.stats.platt import line, slope
from ttl.stats.resampling import Array, Labels
from ttl.typed import Figure
from ttl.words.text import capitalised

Activation = Literal["softmax", "sigmoid"]
Method = Literal["none", "temperature", "scale and shift"]
FOLDS = 5
FEWEST_UNITS = 5
"""From fewer images (patients) no standard error of a gain is worth the name."""
FEWEST_OF_A_CLASS = 10
"""A label with fewer positive rows, or fewer negative ones, keeps its logits: two numbers would be fitted to noise."""
TINY = np.finfo(np.float64).tiny
SMALLEST = np.finfo(np.float64).eps
CERTAIN = 1 - SMALLEST / 2


@dataclass(frozen=True)
class Recalibration:
    """Logits `z` `(..., outputs)` become `scale * z + shift`.

    Attributes:
        method: what was found to help.
        scale: `(outputs,)`, each above 0.
        shift: `(outputs,)`, `scale * prior_shift` included.
        prior_shift: `(outputs,)`: what was added to the logits before anything was fitted.
        units: images that it was fitted on.
        log_loss_before: after the prior shift, a unit.
        log_loss_after: cross-validated, of what was tried, whether or not it was used; nan where nothing was.
        gain_error: the standard error of the difference of the two.
        constant_log_loss: that of the best prediction which is the same for every row.
        learned_log_loss: what the logits know: of the losses before and after that which is further below the
            constant's in standard errors of the difference. A network that ranks well and is too sure of itself has
            learned something, even if the units are too few to show that a recalibration helps.
        constant_error: that standard error, paired over the units; nan where they are too few.
    """

    method: Method
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    prior_shift: tuple[float, ...]
    units: int
    log_loss_before: Figure
    log_loss_after: Figure
    gain_error: Figure
    constant_log_loss: Figure
    learned_log_loss: Figure = math.nan
    constant_error: Figure = math.nan

    @property
    def temperature(self) -> float:
        """What logits are divided by (where the method is temperature)."""
        return 1 / self.scale[0]

    def apply(self, logits: npt.ArrayLike) -> Array:
        """Recalibrated logits `(..., outputs)`."""
        changed: Array = np.asarray(logits, np.float64) * np.array(self.scale) + np.array(self.shift)
        return changed

    def before(self, logits: npt.ArrayLike) -> Array:
        """The logits `(..., outputs)` before, from the recalibrated ones: what `apply` was given."""
        undone: Array = (np.asarray(logits, np.float64) - np.array(self.shift)) / np.array(self.scale)
        return undone

    def undone(self, probabilities: npt.ArrayLike, activation: Activation) -> Array:
        """The probabilities `(..., outputs)` that the logits had before, from those of the recalibrated ones.

        For probabilities of 0 and 1 see `logits_before`.
        """
        return probable(self.logits_before(probabilities, activation), activation)

    def logits_before(self, probabilities: npt.ArrayLike, activation: Activation) -> Array:
        """The logits `(..., outputs)` before, from the probabilities of the recalibrated ones.

        Of a softmax they are known but for what all outputs of a row have in common.

        A probability of 0 or 1, which no logit has, is taken for the number next to it.
        """
        given = np.asarray(probabilities, np.float64)
        if activation == "softmax":
            logits = np.log(np.clip(given, TINY, 1))
        else:
            kept = np.clip(given, TINY, CERTAIN)
            logits = np.log(kept) - np.log1p(-kept)
        return self.before(logits)

    def words(self) -> str:
        """What was done and why, in one sentence."""
        first = "After the shift for the class shares evened out in training, " if any(self.prior_shift) else ""
        on = f"{self.units} validation images"
        if math.isnan(self.log_loss_after):
            return capitalised(f"{first}the logits were left as they are: {on} are too few to fit a recalibration to.")
        losses = f"cross-validated log loss from {self.log_loss_before:.4f} to {self.log_loss_after:.4f}"
        error = f"(standard error of the difference {self.gain_error:.4f})"
        if self.method == "none":
            return capitalised(
                f"{first}the logits were left as they are: on {on} a recalibration would bring the {losses} {error}, "
                "which is no gain beyond chance."
            )
        if self.method == "temperature":
            done = f"the logits were divided by a temperature of {self.temperature:.3g}"
        else:
            changed = sum(one != 1 for one in self.scale)
            of = f" of {changed} of {len(self.scale)} labels" if len(self.scale) > 1 else ""
            done = f"the logits{of} were scaled and shifted"
        return capitalised(f"{first}{done}, which on {on} brought the {losses} {error}.")


def fit(
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    activation: Activation,
    prior_shift: npt.ArrayLike | None = None,
    units: npt.ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Recalibration:
    """Fit a recalibration, and use it where the cross-validated log loss gains more than its standard error.

    Softmax: one temperature. Sigmoid: a scale above 0 and a shift for each label; a label with one class only, or with
    fewer than `FEWEST_OF_A_CLASS` rows of one, keeps its logits. By maximum likelihood with Platt's smoothed targets,
    so that perfectly separated classes don't give endless scales. Labels of -1 are unknown, and left out.

    The loss of a unit is the mean over its rows of that of a row, which is the mean over its known labels; units count
    equally, groups as the units that they hold.

    Args:
        logits: `(m, outputs)`.
        labels: softmax: `(m,)` classes; sigmoid: `(m, outputs)` of 0, 1 and -1.
        activation: what makes probabilities of the logits.
        prior_shift: `(outputs,)`: added to the logits first, used or not; None adds nothing.
        units: `(m,)` the image of each row, from 0; None makes each row its own (in masks an image has many rows).
        groups: the patient of each unit, kept whole in cross-validation; None makes each its own.
        seed: of the folds.

    Raises:
        UsageError: shapes that don't fit.
        DataError: a logit that isn't finite, or a label outside the classes.
    """
    rows = _Rows.of(logits, labels, activation, prior_shift, units)
    outputs = rows.logits.shape[1]
    added = np.zeros(outputs) if prior_shift is None else np.asarray(prior_shift, np.float64)
    cluster = _clusters(groups, rows.counted)
    before = rows.losses(rows.logits)
    after = np.full(len(before), math.nan)
    scale, shift = np.ones(outputs), np.zeros(outputs)
    if len(np.unique(cluster[rows.present])) >= FEWEST_UNITS:
        scale, shift = rows.fitted(np.ones(len(rows.logits), bool))
        fold = _folds(cluster, rows, seed)
        moved = rows.logits.copy()
        for number in range(fold.max() + 1):
            out = fold[rows.unit] == number
            factor, offset = rows.fitted(~out)
            moved[out] = factor * rows.logits[out] + offset
        after = rows.losses(moved)
    gain, error = _mean_and_error((before - after)[rows.present], cluster[rows.present])
    used = gain > error and bool((scale != 1).any())
    method: Method = "none" if not used else "temperature" if activation == "softmax" else "scale and shift"
    if not used:
        scale, shift = np.ones(outputs), np.zeros(outputs)
    constant = rows.losses(rows.constant())[rows.present]
    candidates = (after,) if used else (before, after)
    compared = [_mean_and_error(constant - losses[rows.present], cluster[rows.present]) for losses in candidates]
    below, constant_error = max(compared, key=_in_errors)
    return Recalibration(
        method=method,
        scale=tuple(scale.tolist()),
        shift=tuple((scale * added + shift).tolist()),
        prior_shift=tuple(added.tolist()),
        units=int(rows.present.sum()),
        log_loss_before=_mean(before[rows.present]),
        log_loss_after=_mean(after[rows.present]),
        gain_error=error,
        constant_log_loss=_mean(constant),
        learned_log_loss=_mean(before[rows.present]) if math.isnan(below) else _mean(constant) - below,
        constant_error=constant_error,
    )


def probable(logits: Array, activation: Activation) -> Array:
    """Probabilities of logits `(..., outputs)`."""
    from scipy.special import expit, softmax

    made: Array = softmax(logits, axis=-1) if activation == "softmax" else expit(logits)
    return made


@dataclass(frozen=True, eq=False)
class _Rows:
    """Logits with the prior shift added, and what they should say."""

    logits: Array  # `(m, outputs)`
    truth: Array  # `(m, outputs)` of 0 and 1; 0 where unknown
    weights: Array  # `(m, outputs)` sigmoid, `(m, 1)` softmax: the share of each known label in its unit's loss
    unit: Labels  # `(m,)`
    counted: int  # units there are, those without a known label included
    activation: Activation

    @classmethod
    def of(
        cls,
        logits: npt.ArrayLike,
        labels: npt.ArrayLike,
        activation: Activation,
        prior_shift: npt.ArrayLike | None,
        units: npt.ArrayLike | None,
    ) -> _Rows:
        z, y = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
        softmax = activation == "softmax"
        if z.ndim != 2 or y.shape != (z.shape[:1] if softmax else z.shape):
            raise UsageError(f"logits {z.shape} and labels {y.shape} don't fit {activation}.")
        highest = z.shape[1] - 1 if softmax else 1
        if y.size and (y.min() < -1 or y.max() > highest):
            raise DataError(f"labels go from {y.min()} to {y.max()}; they must be in 0..{highest}, or -1.")
        if not np.isfinite(z).all():
            raise DataError("logits are not finite; the model that gave them is broken.")
        if prior_shift is not None:
            z = z + _of_shape(prior_shift, z.shape[1:], "prior shift").astype(np.float64)
        unit = np.arange(len(z)) if units is None else _of_shape(units, z.shape[:1], "units").astype(np.int64)
        counted = int(unit.max(initial=-1)) + 1
        known = (y >= 0)[:, None] if softmax else y >= 0
        truth = y[:, None] == np.arange(z.shape[1]) if softmax else y == 1
        of_row = known.sum(axis=1)
        rows_of = np.bincount(unit, of_row > 0, counted)
        weights = known / np.maximum(of_row, 1)[:, None] / np.maximum(rows_of, 1)[unit][:, None]
        return cls(z, truth.astype(np.float64), weights, unit, counted, activation)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """`(units,)`: those with a known label."""
        return np.bincount(self.unit, self.weights.sum(axis=1), self.counted) > 0

    def losses(self, logits: Array) -> Array:
        """`(units,)` log losses."""
        of_row = (self.weights * self._each(logits)).sum(axis=1)
        return np.bincount(self.unit, of_row, self.counted).astype(np.float64)

    def _each(self, logits: Array) -> Array:
        """`(m, 1)` of softmax, `(m, outputs)` of sigmoid."""
        if self.activation == "softmax":
            surprise = np.logaddexp.reduce(logits, axis=1) - (self.truth * logits).sum(axis=1)
            return np.asarray(surprise, np.float64)[:, None]
        return np.asarray(np.logaddexp(0, logits) - self.truth * logits, np.float64)

    def constant(self) -> Array:
        """`(m, outputs)`: the logits of the best constant prediction, the shares of the classes or labels."""
        from scipy.special import logit

        share = (self.weights * self.truth).sum(axis=0) / np.maximum(self.weights.sum(axis=0), TINY)
        one = np.log(np.maximum(share, TINY)) if self.activation == "softmax" else logit(np.clip(share, TINY, CERTAIN))
        return np.broadcast_to(one, self.logits.shape)

    def fitted(self, chosen: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
        """Scale and shift `(outputs,)` by the rows chosen."""
        outputs = self.logits.shape[1]
        if self.activation == "softmax":
            use = chosen & (self.weights[:, 0] > 0)
            return np.full(outputs, slope(self.logits[use], self.truth[use], self.weights[use, 0])), np.zeros(outputs)
        pairs = np.ones((outputs, 2)) * [1, 0]
        for column in range(outputs):
            use = chosen & (self.weights[:, column] > 0)
            z, y = self.logits[use, column], self.truth[use, column]
            if min(y.sum(), len(y) - y.sum()) >= FEWEST_OF_A_CLASS:
                pairs[column] = line(z, y, self.weights[use, column])
        return pairs[:, 0], pairs[:, 1]


def _clusters(groups: Sequence[str] | None, units: int) -> Labels:
    """`(units,)` the group of each unit."""
    if groups is None:
        return np.arange(units)
    if len(groups) != units:
        raise UsageError(f"{len(groups)} groups for {units} images: give one an image.")
    return np.unique(np.array(groups, object).astype(str), return_inverse=True)[1].reshape(-1)


def _folds(cluster: Labels, rows: _Rows, seed: int) -> Labels:
    """`(units,)` fold of each unit: clusters whole, dealt in the order of what they hold, so that folds are alike."""
    known = np.bincount(rows.unit, rows.weights.sum(axis=1), rows.counted)
    content = rows.truth * rows.weights @ np.arange(1, rows.truth.shape[1] + 1)
    summed = np.bincount(cluster, np.bincount(rows.unit, content, rows.counted))
    level = summed / np.maximum(np.bincount(cluster, known), TINY)
    order = np.lexsort((np.random.default_rng(seed).random(len(level)), level))
    of_cluster = np.empty(len(level), np.int64)
    of_cluster[order] = np.arange(len(level)) % FOLDS
    return of_cluster[cluster]


def _mean_and_error(gains: Array, cluster: Labels) -> tuple[float, float]:
    """The mean over units and its standard error, by what clusters hold; nan where there is nothing."""
    names, number = np.unique(cluster, return_inverse=True)
    if len(names) < FEWEST_UNITS or np.isnan(gains).any():
        return math.nan, math.nan
    mean = float(gains.mean())
    sums = np.bincount(number, gains - mean)
    return mean, float(np.sqrt(len(names) / (len(names) - 1) * (sums**2).sum()) / len(gains))


def _in_errors(of: tuple[float, float]) -> float:
    """A mean in its standard errors, lowest where they are unknown."""
    mean, error = of
    return -math.inf if math.isnan(error) else mean / max(error, TINY)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan


def _of_shape(values: npt.ArrayLike, shape: tuple[int, ...], name: str) -> npt.NDArray[np.generic]:
    given = np.asarray(values)
    if given.shape != shape:
        raise UsageError(f"{name} {given.shape} must be {shape}.")
    return given
