"""Metrics with confidence intervals, comparisons of two models, and ratios of latencies."""

from ttl.stats.bootstrap import NonInferiority, intervals, non_inferior, paired_difference
from ttl.stats.calibration import Bin, Calibration, calibration
from ttl.stats.confusion import confusion
from ttl.stats.curves import THRESHOLD, ClassCurves, Line, curves
from ttl.stats.delong import PairedAUROC, delong, delong_paired
from ttl.stats.kinds import (
    KINDS,
    LOWER_IS_BETTER,
    accuracy,
    all_metrics,
    auprc,
    auroc,
    headline,
    metrics,
    per_class,
    primary,
)
from ttl.stats.masks import COLUMNS, UNLABELLED, overlap
from ttl.stats.ratio import ratio_interval
from ttl.stats.scoring import ALL_METRICS, METRICS
from ttl.stats.segmentation import SEGMENTATION_METRICS, segmentation_log_loss
from ttl.stats.wilson import wilson
from ttl.words.estimate import Estimate

__all__ = [
    "ALL_METRICS",
    "COLUMNS",
    "KINDS",
    "LOWER_IS_BETTER",
    "METRICS",
    "SEGMENTATION_METRICS",
    "THRESHOLD",
    "UNLABELLED",
    "Bin",
    "Calibration",
    "ClassCurves",
    "Estimate",
    "Line",
    "NonInferiority",
    "PairedAUROC",
    "accuracy",
    "all_metrics",
    "auprc",
    "auroc",
    "calibration",
    "confusion",
    "curves",
    "delong",
    "delong_paired",
    "headline",
    "intervals",
    "metrics",
    "non_inferior",
    "overlap",
    "paired_difference",
    "per_class",
    "primary",
    "ratio_interval",
    "segmentation_log_loss",
    "wilson",
]
