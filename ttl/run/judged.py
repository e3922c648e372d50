"""How the chosen and the whole network judge the test images, for report.json: curves, confusion, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ttl.run.prepared import Prepared
from ttl.run.trial import Record, predictions
from ttl.stats import THRESHOLD, Bin, Calibration, ClassCurves, Line, calibration, confusion, curves

DIGITS = 6
"""Of the points of a curve: more than a screen or a printer can show."""


def judged(prepared: Prepared, records: Mapping[str, Record]) -> dict[str, Any]:
    """The `curves`, `confusion` and `calibration` sections of report.json.

    Args:
        prepared: the run, of a classification.
        records: of the fine-tunes, `chosen` and `full`; `full` alone where they are the same.
    """
    test, names, kind = prepared.task.test, prepared.task.class_names, prepared.task.kind
    rows = {network: predictions(record, "test") for network, record in records.items()}
    found = {
        network: curves(kind, test.labels, given, groups=test.groups, seed=prepared.config.seed)
        for network, given in rows.items()
    }
    grouped = test.groups is not None
    drawn = len(next(iter(found.values())))
    shown = {network: [_class(names, of) for of in each] for network, each in found.items()}
    counted = {network: confusion(kind, test.labels, given).tolist() for network, given in rows.items()}
    weighed = {network: _calibration(calibration(kind, test.labels, given)) for network, given in rows.items()}
    left_out = 0 if kind == "binary" else len(names) - drawn
    return {
        "curves": {"split": "test", "threshold": THRESHOLD, "grouped": grouped, "left_out": left_out, **shown},
        "confusion": {"split": "test", "threshold": THRESHOLD, **counted},
        "calibration": {"split": "test", "grouped": grouped, **weighed},
    }


def _class(names: Sequence[str], of: ClassCurves) -> dict[str, Any]:
    return {
        "class": names[of.label],
        "positives": of.positives,
        "negatives": of.negatives,
        "auroc": of.auroc.to_json(),
        "auprc": of.auprc.to_json(),
        "roc": _line(of.roc, "false_positive_rate", "sensitivity"),
        "precision_recall": _line(of.precision_recall, "recall", "precision"),
        "at_threshold": {
            "sensitivity": of.sensitivity.to_json(),
            "specificity": of.specificity.to_json(),
            "precision": of.precision.to_json(),
        },
    }


def _line(line: Line, x: str, y: str) -> dict[str, list[float | None]]:
    rounded = partial(round, ndigits=DIGITS)
    thresholds = [rounded(value) if np.isfinite(value) else None for value in line.thresholds.tolist()]
    return {x: [*map(rounded, line.x.tolist())], y: [*map(rounded, line.y.tolist())], "threshold": thresholds}


def _calibration(found: Calibration) -> dict[str, Any]:
    return {
        "bins": [_bin(of) for of in found.bins],
        "histogram": {"edges": found.edges.tolist(), "counts": found.counts.tolist()},
    }


def _bin(of: Bin) -> dict[str, Any]:
    return {"n": of.n, "low": of.low, "high": of.high, "confidence": of.confidence, "accuracy": of.accuracy.to_json()}
