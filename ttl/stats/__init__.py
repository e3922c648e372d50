"""Metrics with confidence intervals, comparisons of two models, and ratios of latencies."""

from ttl.stats.bootstrap import NonInferiority, intervals, non_inferior, paired_difference
from ttl.stats.delong import PairedAUROC, delong, delong_paired
from ttl.stats.estimate import Estimate
from ttl.stats.latency import ratio_interval
from ttl.stats.scoring import ALL_METRICS, KINDS, METRICS, accuracy, auprc, auroc, metrics, per_class

__all__ = [
    "ALL_METRICS",
    "KINDS",
    "METRICS",
    "Estimate",
    "NonInferiority",
    "PairedAUROC",
    "accuracy",
    "auprc",
    "auroc",
    "delong",
    "delong_paired",
    "intervals",
    "metrics",
    "non_inferior",
    "paired_difference",
    "per_class",
    "ratio_interval",
]
