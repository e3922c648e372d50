"""The metrics: their names, their scales, and how their values are written."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ttl.words import units
from ttl.words.estimate import Estimate


@dataclass(frozen=True)
class Metric:
    """A metric as the page writes it: a number without a unit, or a distance, which is from 0 up, in `unit`."""

    name: str
    meaning: str = ""
    """In the words of the glossary; nothing where the name says it."""
    is_distance: bool = False
    unit: str = ""
    """Of a distance, `px` or `mm`; empty where the report has none."""
    highest: float = 1.0
    """The highest value there can be, of what is no distance."""
    lower_is_better: bool = False

    @property
    def titled(self) -> str:
        """Name and unit, for an axis: `HD95, px`."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    @property
    def note(self) -> str:
        """What a reader of a bare number must know."""
        return "lower is better" if self.lower_is_better else ""

    @property
    def ceiling(self) -> float:
        """The highest value there can be."""
        return math.inf if self.is_distance else self.highest

    def text(self, value: float) -> str:
        """A value: 0.931, or 4.31 px."""
        return units.distance(value, self.unit) if self.is_distance else units.score(value)

    def signed(self, value: float) -> str:
        """A difference of two values, with its sign."""
        return units.signed_distance(value, self.unit) if self.is_distance else units.signed(value)

    def interval(self, estimate: Estimate) -> str:
        """`0.912 to 0.947`, or `3.90 to 4.81 px`; nothing where there is none."""
        low = units.distance(estimate.ci_low) if self.is_distance else units.score(estimate.ci_low)
        return f"{low} to {self.text(estimate.ci_high)}" if estimate.has_interval else ""


METRICS = {  # by the key in report.json
    "auprc": Metric("AUPRC", "area under the precision-recall curve (average precision); 1 is perfect."),
    "auroc": Metric(
        "AUROC", "how often a positive image is ranked above a negative one; 0.5 is guessing, 1 is perfect."
    ),
    "accuracy": Metric("accuracy"),
    "balanced_accuracy": Metric("balanced accuracy", "the mean over classes of the share that is found."),
    "sensitivity": Metric("sensitivity"),
    "specificity": Metric("specificity"),
    "ppv": Metric("PPV", "positive predictive value: the share of positive decisions that is right."),
    "npv": Metric("NPV", "negative predictive value: the share of negative decisions that is right."),
    "cost": Metric(
        "expected cost",
        "the mean cost of a decision, as a share of that of the dearer error; 0 is perfect, lower is better.",
        lower_is_better=True,
    ),
    "f1": Metric("F1", "precision and recall in one figure."),
    "kappa": Metric(
        "quadratic kappa", "agreement beyond chance, where a guess two grades off counts four times (for grades)."
    ),
    "ece": Metric(
        "calibration error",
        "how far the stated probabilities are from how often they come true; 0 is perfect, lower is better.",
        lower_is_better=True,
    ),
    "log_loss": Metric(
        "log loss",
        "minus the natural log of the probability given to the truth; 0 is perfect, lower is better.",
        highest=math.inf,
        lower_is_better=True,
    ),
    "brier": Metric(
        "Brier score",
        "the squared difference of probability and truth; 0 is perfect, lower is better.",
        highest=math.inf,
        lower_is_better=True,
    ),
    "bias": Metric(
        "calibration in the large", "the mean of predicted less observed; 0 where as many are predicted as there are."
    ),
    "dice": Metric(
        "Dice",
        "twice what truth and drawing share, over the sum of the two; 1 is perfect. Of each image and class, then "
        "averaged.",
    ),
    "jaccard": Metric("Jaccard", "what truth and drawing share, over all that either covers; 1 is perfect."),
    "dice_pooled": Metric("Dice, pooled", "Dice of the pixels of all images together: large objects count more."),
    "jaccard_pooled": Metric("Jaccard, pooled", "Jaccard of the pixels of all images together."),
    "hd95": Metric(
        "HD95",
        "95th-percentile Hausdorff distance: how far the edges of truth and drawing lie apart, but for the farthest "
        "5%; 0 is perfect, lower is better.",
        is_distance=True,
        lower_is_better=True,
    ),
}


def metric(key: str, unit: str = "") -> Metric:
    """A metric by its key in report.json, with the unit of distances; an unlisted one has its key as its name."""
    listed = METRICS.get(key, Metric(key))
    return replace(listed, unit=unit) if listed.is_distance else listed
