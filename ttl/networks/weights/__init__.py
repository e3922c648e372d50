"""Checkpoints: read without unpickling, seen through their wrappers, fitted into a model or refused."""

from __future__ import annotations

from ttl.networks.weights.entries import find_entry
from ttl.networks.weights.fit import fit, load_checkpoint
from ttl.networks.weights.read import read, sha256
from ttl.networks.weights.weights_report import WeightsReport, trainable_or_statistic

__all__ = ["WeightsReport", "find_entry", "fit", "load_checkpoint", "read", "sha256", "trainable_or_statistic"]
