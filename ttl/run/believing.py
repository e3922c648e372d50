"""How far a network's probabilities can be believed on the test images, before and after recalibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttl.data.kind import Kind, Rows
from ttl.report.schema.decided import Believable
from ttl.run.judged import Judged
from ttl.run.setting import RunSetting
from ttl.stats import Recalibration, brier, expected_error, intervals, log_losses, metrics
from ttl.words.estimate import Estimate


def believable(setting: RunSetting, recalibration: Recalibration, rows: Rows) -> Believable:
    """Losses of the test predictions `rows` `(n, classes)`, which were recalibrated, and of those before."""
    kind, seed = setting.kind, setting.config.seed
    raw = recalibration.undone(rows, kind.activation(setting.head.outputs))
    after, before = setting.judged("test", rows), setting.judged("test", raw)
    labels = after.labels
    losses = {"log_loss": log_losses, "brier": brier}
    values = {key: [of(kind, labels, judged.rows) for judged in (after, before)] for key, of in losses.items()}

    def change(key: str) -> Estimate:
        return mean_of("bias", values[key][0] - values[key][1], after, seed)  # of each image: a mean like any other

    return Believable(
        recalibration=recalibration,
        log_loss=mean_of("log_loss", values["log_loss"][0], after, seed),
        log_loss_before=mean_of("log_loss", values["log_loss"][1], after, seed),
        log_loss_change=change("log_loss"),
        brier=mean_of("brier", values["brier"][0], after, seed),
        brier_before=mean_of("brier", values["brier"][1], after, seed),
        brier_change=change("brier"),
        error=metrics(kind, labels, after.rows, ("ece",))["ece"],
        expected_error=expected_error(kind, labels, after.rows, seed),
        bias={
            name: mean_of("bias", gap, after, seed)
            for name, gap in gaps_by_class(kind, setting.task.class_names, after).items()
        },
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
