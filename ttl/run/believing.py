"""How far a network's probabilities can be believed on the test images, before and after recalibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttl.data.kind import Kind, Rows
from ttl.report.schema.decided import Believable
from ttl.run.judged import Judged
from ttl.run.setting import RunSetting
from ttl.stats import PixelCalibration, Recalibration, brier, expected_error, intervals, log_losses, metrics
from ttl.study.tested import Tested
from ttl.words.estimate import Estimate

PIXELS = "pixels"
"""The kind of masks' probabilities in `ttl.stats`."""


@dataclass(frozen=True, eq=False)
class Trust:
    """How far probabilities are off, of images (patients) that are judged; of masks a value is the mean of the pixels.

    `losses` has metric -> `(n,)`, `gaps` class -> `(n,)` predicted less observed, nan where nothing is known.
    `scored` is the kind in `ttl.stats` whose `ece` the rows of `judged` have.
    """

    judged: Judged
    scored: str
    losses: Mapping[str, Rows]
    gaps: Mapping[str, Rows]

    @classmethod
    def of_classes(cls, kind: Kind, names: Sequence[str], judged: Judged) -> Trust:
        """Of the probabilities of classes."""
        labels, rows = judged.labels, judged.rows
        losses = {"log_loss": log_losses(kind, labels, rows), "brier": brier(kind, labels, rows)}
        return cls(judged, kind, losses, gaps_by_class(kind, names, judged))

    @classmethod
    def of_pixels(cls, names: Sequence[str], judged: Judged) -> Trust:
        """Of masks; the rows are of `ttl.stats.pixel_calibration`."""
        of = PixelCalibration.of(judged.rows)
        found = names[1:] if len(names) == 2 else names  # of two classes what isn't the second is the first
        gaps = {name: of.bias[:, names.index(name)] for name in found}
        losses = {"log_loss": of.log_loss, "brier": of.brier}
        return cls(judged, PIXELS, losses, gaps)

    def expected(self, seed: int) -> Estimate:
        """The calibration error that chance alone makes."""
        of = self.judged
        if self.scored == PIXELS:
            return PixelCalibration.of(of.rows).expected_error(of.groups, seed)
        return expected_error(self.scored, of.labels, of.rows, seed)

    def loss(self, name: str, seed: int) -> Estimate:
        """The mean of a loss."""
        return mean_of(name, self.losses[name], self.judged, seed)

    def bias(self, seed: int) -> dict[str, Estimate]:
        """Class -> calibration in the large."""
        return {name: mean_of("bias", gap, self.judged, seed) for name, gap in self.gaps.items()}


def believable(setting: RunSetting, recalibration: Recalibration, of: Tested) -> Believable | None:
    """Losses of the test predictions, which were recalibrated, and of those before; None where they aren't known."""
    kind, names, seed = setting.kind, setting.task.class_names, setting.config.seed
    if not kind.per_pixel:
        raw = recalibration.undone(of.rows, kind.activation(setting.head.outputs))
        after, before = (Trust.of_classes(kind, names, setting.judged("test", rows)) for rows in (of.rows, raw))
    elif of.pixels is not None:
        after, before = (Trust.of_pixels(names, setting.judged("test", rows)) for rows in of.pixels)
    else:
        return None

    def change(key: str) -> Estimate:
        # of each image: a mean like any other
        return mean_of("bias", after.losses[key] - before.losses[key], after.judged, seed)

    return Believable(
        recalibration=recalibration,
        log_loss=after.loss("log_loss", seed),
        log_loss_before=before.loss("log_loss", seed),
        log_loss_change=change("log_loss"),
        brier=after.loss("brier", seed),
        brier_before=before.loss("brier", seed),
        brier_change=change("brier"),
        error=metrics(after.scored, after.judged.labels, after.judged.rows, ("ece",))["ece"],
        expected_error=after.expected(seed),
        bias=after.bias(seed),
    )


def mean_of(name: str, values: Rows, judged: Judged, seed: int) -> Estimate:
    """The mean of values `(n,)`, one a row that is judged; `name` is its metric in `ttl.stats`, kind `values`."""
    return intervals("values", judged.labels, values, names=(name,), groups=judged.groups, seed=seed)[name]


def gaps_by_class(kind: Kind, names: Sequence[str], judged: Judged) -> dict[str, Rows]:
    """Class -> `(n,)` predicted less observed, nan where a label is unknown; of two classes the positive one alone."""
    labels, found = judged.labels, {}
    for column, name in enumerate(names):
        if column or not kind.has_positive:
            truth = labels[:, column] if labels.ndim == 2 else (labels == column).astype(np.int64)
            found[name] = np.where(truth >= 0, judged.rows[:, column] - truth, np.nan)
    return found
