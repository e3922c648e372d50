"""How far a network's probabilities can be believed on the test images, before and after recalibration."""

from __future__ import annotations

import numpy as np

from ttl.data.kind import Rows
from ttl.data.task import Labels
from ttl.report.schema.decided import Believable
from ttl.run.setting import Judged, RunSetting
from ttl.stats import Recalibration, brier, expected_error, intervals, log_losses, metrics
from ttl.words.estimate import Estimate


def believable(setting: RunSetting, recalibration: Recalibration, rows: Rows) -> Believable:
    """Losses of the test predictions `rows` `(n, classes)`, which were recalibrated, and of those before."""
    kind, seed = setting.kind, setting.config.seed
    raw = recalibration.undone(rows, kind.activation(setting.head.outputs))
    after, before = setting.judged("test", rows), setting.judged("test", raw)
    labels, groups = after.labels, after.groups
    losses = {"log_loss": log_losses, "brier": brier}
    values = {key: [of(kind, labels, judged.rows) for judged in (after, before)] for key, of in losses.items()}

    def mean(key: str, number: int) -> Estimate:
        return intervals("values", labels, values[key][number], names=(key,), groups=groups, seed=seed)[key]

    def change(key: str) -> Estimate:
        apart = values[key][0] - values[key][1]  # of each image: their mean has an interval like any other
        return intervals("values", labels, apart, names=("bias",), groups=groups, seed=seed)["bias"]

    return Believable(
        recalibration=recalibration,
        log_loss=mean("log_loss", 0),
        log_loss_before=mean("log_loss", 1),
        log_loss_change=change("log_loss"),
        brier=mean("brier", 0),
        brier_before=mean("brier", 1),
        brier_change=change("brier"),
        error=metrics(kind, labels, after.rows, ("ece",))["ece"],
        expected_error=expected_error(kind, labels, after.rows, seed),
        bias=calibration_in_the_large(setting, after),
    )


def calibration_in_the_large(setting: RunSetting, judged: Judged) -> dict[str, Estimate]:
    """Class -> mean predicted probability less its share; of two classes the positive one alone."""
    names, labels = setting.task.class_names, judged.labels
    drawn = names[1:] if setting.kind.has_positive else names
    found = {}
    for name in drawn:
        column = names.index(name)
        truth: Labels = labels[:, column] if labels.ndim == 2 else (labels == column).astype(np.int64)
        apart = np.where(truth >= 0, judged.rows[:, column] - truth, np.nan)
        found[name] = intervals(
            "values", labels, apart, names=("bias",), groups=judged.groups, seed=setting.config.seed
        )["bias"]
    return found
