"""What is set on validation images, and what it is worth on others: sensitivities asked for, and recalibrations.

    python benchmarks/operating_points.py --sets 1000

All scores are simulated, so that the truth is known: normal scores, positives shifted by 2 standard deviations.

- Sensitivity: how often the threshold for a sensitivity of 0.9 has it on endlessly many other images, beside that of
  the plain quantile of the positives' scores.
- Recalibration: logits that are right once divided by a temperature; how often one is used, and by how much the log
  loss (nats) of 5,000 other images changes, on average over all sets.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.special import expit
from shared import measured_on

from ttl.stats import Aim, log_losses, threshold
from ttl.stats.recalibration import fit, probable
from ttl.stats.resampling import Array, Labels

SHIFT, SENSITIVITY, OTHERS = 2.0, 0.9, 5000


@dataclass(frozen=True)
class Held:
    """Shares of sets in which the true sensitivity is as asked for."""

    positives: int
    patients: bool  # 3.3 images a patient, correlated at 0.6
    by_rank: float  # ttl.stats.operating, with a confidence of 0.8
    by_quantile: float
    mean_specificity: float  # at the threshold by rank
    mean_specificity_by_quantile: float


@dataclass(frozen=True)
class Recalibrated:
    """What a recalibration fitted on few images does to others."""

    images: int
    temperature: float
    used: float
    change: float  # of the log loss, below 0 is better


def held(positives: int, patients: bool, sets: int, seed: int) -> Held:
    """Ask for a sensitivity."""
    rng = np.random.default_rng(seed)
    values: list[tuple[float, float]] = []
    for _ in range(sets):
        person = np.arange(positives)
        if patients:
            person = np.repeat(person, rng.geometric(0.3, positives))[:positives]
        inner = 0.6 if patients else 0.0
        own = np.sqrt(inner) * rng.standard_normal(positives)[person]
        found = SHIFT + own + np.sqrt(1 - inner) * rng.standard_normal(positives)
        scores = expit(np.append(found, rng.standard_normal(positives)))
        labels = np.repeat([1, 0], positives)
        groups = [f"p{i}" for i in person] + [f"n{i}" for i in range(positives)]
        ranked = threshold(labels, scores, Aim("sensitivity", SENSITIVITY), groups).value
        values.append((ranked, float(np.quantile(scores[:positives], 1 - SENSITIVITY))))
    limits = np.log(np.array(values)) - np.log1p(-np.array(values))
    reached, spared = stats.norm.sf(limits - SHIFT), stats.norm.cdf(limits)
    shares, specificities = (reached >= SENSITIVITY).mean(axis=0), spared.mean(axis=0)
    return Held(positives, patients, *map(float, (*shares, *specificities)))


def recalibrated(images: int, temperature: float, sets: int, seed: int) -> Recalibrated:
    """Fit a temperature."""
    rng = np.random.default_rng(seed)

    def drawn(n: int) -> tuple[Array, Labels]:
        labels = rng.integers(2, size=n)
        true = SHIFT * (rng.standard_normal(n) + SHIFT * (labels - 0.5))  # the log odds
        return temperature * np.stack([-true / 2, true / 2], axis=1), labels

    def loss(logits: Array, labels: Labels) -> float:
        return float(log_losses("binary", labels, probable(logits, "softmax")).mean())

    others = drawn(OTHERS)
    before = loss(*others)
    found = [fit(*drawn(images), activation="softmax", seed=seed) for _ in range(sets)]
    changes = [loss(one.apply(others[0]), others[1]) - before for one in found]
    used = float(np.mean([one.method != "none" for one in found]))
    return Recalibrated(images, temperature, used, float(np.mean(changes)))


def main() -> None:
    """Simulate all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/operating_points.json"))
    asked = parser.parse_args()
    aims = [held(n, False, asked.sets, n) for n in (40, 60, 200, 600)]
    aims += [held(n, True, asked.sets, n) for n in (200, 600)]
    fits = [recalibrated(n, t, max(1, asked.sets // 2), n) for n in (40, 100, 200, 1000) for t in (1.0, 0.7, 0.3, 2.0)]
    for made in (*aims, *fits):
        print(made)
    figures = {"sensitivity": [asdict(one) for one in aims], "recalibration": [asdict(one) for one in fits]}
    asked.results.write_text(json.dumps({**figures, **measured_on()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
