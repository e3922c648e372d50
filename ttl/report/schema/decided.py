"""What the chosen and the whole network decide on the test images, and how far their probabilities can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttl.export.checks import FileComparison
from ttl.stats import DecisionRule, Recalibration
from ttl.typed import Figure, OptionalKey
from ttl.words.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Endpoint(FileComparison):
    """A metric of the decisions of the chosen network less that of the whole one's, each by its own rule."""

    metric: str


@dataclass(frozen=True, kw_only=True)
class AtPoint:
    """One network where its rule decides.

    `rates` are by metric, of several labels their means; `counts` of one finding: found, missed, false alarms, rightly
    left alone; `by_label` has label -> metric -> value where there are several labels.
    """

    rule: DecisionRule
    words: str
    rates: Mapping[str, Estimate]
    counts: OptionalKey[tuple[int, int, int, int]] = None
    by_label: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Of each network, `chosen` None where the whole one was.

    `units` are images, or patients where the rule is of patients; `prevalence` is the share of positives among them
    (NaN where there is no one finding), `assumed_prevalence` that which PPV and NPV are for. `endpoint` is None of
    masks, whose metric is of decisions already, and where there is nothing to compare.
    """

    split: str
    units: int
    prevalence: Figure
    assumed_prevalence: OptionalKey[float] = None
    endpoint: OptionalKey[Endpoint] = None
    full: AtPoint
    chosen: OptionalKey[AtPoint] = None


@dataclass(frozen=True, kw_only=True)
class Believable:
    """One network's probabilities: losses before and after recalibration, and the change, paired.

    `error` is the calibration error, and `expected_error` that of a perfectly calibrated network with as many images;
    `bias` has class -> mean predicted probability less its share. Of masks all are means over the labelled pixels of an
    image, then over images.
    """

    recalibration: Recalibration
    log_loss: Estimate
    log_loss_before: Estimate
    log_loss_change: Estimate
    brier: Estimate
    brier_before: Estimate
    brier_change: Estimate
    error: Figure
    expected_error: Estimate
    bias: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class Probabilities:
    """Of each network, `chosen` None where the whole one was."""

    split: str
    full: OptionalKey[Believable] = None
    chosen: OptionalKey[Believable] = None
