"""Checkpoints: read without unpickling, seen through their wrappers, fitted into a model or refused."""

from ttl.networks.weights.fit import WeightsReport as WeightsReport
from ttl.networks.weights.fit import fit as fit
from ttl.networks.weights.fit import load_checkpoint as load_checkpoint
from ttl.networks.weights.fit import trainable_or_statistic as trainable_or_statistic
from ttl.networks.weights.read import find_entry as find_entry
from ttl.networks.weights.read import read as read
