"""ROC and precision-recall curves of each class against the rest, short enough to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.intervals import intervals
from ttl.stats.kinds import classified
from ttl.stats.resampling import Array
from ttl.stats.scoring import Marks, Scorer
from ttl.words.estimate import Estimate

MOST_POINTS = 200
MOST_CLASSES = 6


@dataclass(frozen=True, eq=False)
class Line:
    """A curve of `(points,)` fractions, rising or level in `x`."""

    x: Array
    y: Array
    thresholds: Array  # from this probability on an image counts as positive; inf where none does


@dataclass(frozen=True, eq=False)
class ClassCurves:
    """One class, by its index, against the rest, with 95 % intervals."""

    label: int
    positives: int  # samples that are of it; negatives are those of which it is known that they aren't
    negatives: int
    auroc: Estimate
    auprc: Estimate
    roc: Line  # false positive rate and sensitivity
    precision_recall: Line  # recall and precision
    sensitivity: Estimate  # of the decisions, as the two after it; nan where none are given
    specificity: Estimate
    precision: Estimate  # nan where nothing is called positive


def curves(
    kind: str,
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    *,
    called: npt.ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[ClassCurves, ...]:
    """ROC and precision-recall curves: of a binary task those of class 1, else of each class against the rest.

    Of more than 6 classes the 6 with the most positives are taken. A class without positives or without negatives has
    no curve and is left out. Labels that are unknown (-1, in `multilabel`) are left out.

    Args:
        kind: `binary`, `multiclass` or `multilabel`.
        labels: as `metrics` takes them.
        probabilities: `(n, classes)`.
        called: `(n, classes)`, whether a sample is called that class; None leaves out what is decided.
        groups: as `intervals` takes them, as is `seed`.

    Raises:
        UsageError: shapes that don't fit.
        DataError: a probability is not finite, or a label is outside the classes.
    """
    scored = classified(kind, labels, probabilities)
    positives = (scored.positive & scored.known).sum(axis=0)
    candidates = [1] if kind == "binary" else range(scored.classes)
    defined = [label for label in candidates if 0 < positives[label] < scored.known[:, label].sum()]
    defined.sort(key=lambda label: -int(positives[label]))
    decided = None if called is None else np.asarray(called, bool)
    if decided is not None and decided.shape != scored.scores.shape:
        raise UsageError(
            f"what is called {decided.shape} must have the shape of the probabilities {scored.scores.shape}."
        )
    return tuple(_of_class(scored, label, decided, groups, seed) for label in sorted(defined[:MOST_CLASSES]))


def _of_class(
    scored: Scorer, label: int, decided: Marks | None, groups: Sequence[str] | None, seed: int
) -> ClassCurves:
    from sklearn.metrics import precision_recall_curve, roc_curve

    known = scored.known[:, label]
    truth, given = scored.positive[known, label], scored.scores[known, label]
    own = None if groups is None else [groups[i] for i in np.flatnonzero(known).tolist()]
    pairs = np.column_stack([1 - given, given])
    figures = intervals("binary", truth, pairs, names=("auroc", "auprc"), groups=own, seed=seed)
    false_alarms, hits, from_ = roc_curve(truth, given)
    precision, recall, steps = precision_recall_curve(truth, given, drop_intermediate=True)
    rates = {}
    if decided is not None:
        called = decided[known, label].astype(np.int64)
        names = ("sensitivity", "specificity", "ppv")
        rates = intervals("decision", truth.astype(np.int64), called, names=names, groups=own, seed=seed)
    return ClassCurves(
        label=label,
        positives=int(truth.sum()),
        negatives=int((~truth).sum()),
        auroc=figures["auroc"],
        auprc=figures["auprc"],
        roc=shortened(Line(false_alarms, hits, from_)),
        # scikit-learn gives it from recall 1 down, and ends it at recall 0 with no threshold.
        precision_recall=shortened(Line(recall[::-1], precision[::-1], np.append(steps, np.inf)[::-1])),
        sensitivity=rates.get("sensitivity", Estimate()),
        specificity=rates.get("specificity", Estimate()),
        precision=rates.get("ppv", Estimate()),
    )


def shortened(line: Line, most: int = MOST_POINTS) -> Line:
    """The line through at most `most` of its points, evenly spread along its length, both ends among them.

    No point that is left out lies farther along the line from its neighbours than a `most`th of the whole length.
    """
    if len(line.x) <= most:
        return line
    gone = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(line.x)) + np.abs(np.diff(line.y)))])
    kept = np.unique(np.searchsorted(gone, np.linspace(0, gone[-1], most)))
    kept[-1] = len(line.x) - 1
    return Line(line.x[kept], line.y[kept], line.thresholds[kept])
