"""Checkpoints: read without unpickling, seen through their wrappers, fitted into a model or refused."""

from __future__ import annotations

from ttl.weights.fit import fit, load_checkpoint
from ttl.weights.report import WeightsReport, trainable_or_statistic

__all__ = ["WeightsReport", "fit", "load_checkpoint", "trainable_or_statistic"]
