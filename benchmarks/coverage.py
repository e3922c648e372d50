"""How often the intervals hold the truth, and how often a model that loses exactly the margin is called as good.

    python benchmarks/coverage.py --sets 1000 --results benchmarks/results/coverage.json

Scores are simulated where the truth is known: two models see the same images through correlated normal noise, each
positive shifted so that the metric of all images there could be is exactly the level asked for. In the first of three
worlds the smaller model loses the margin (a claim is false), in the second nothing, in the third it gains the margin
(a claim is right). Today's tool is compared with the percentile bootstrap (stratified, patients whole, 500 resamples)
on the first half of the same sets. A cell fails where its false claims lie significantly above 2.5 % (one-sided
binomial, Holm over all cells).

The ideal is what nobody can have: a test of the observed difference whose threshold is the one that 2.5 % of the sets
of the first world exceed, taken from those sets themselves. What it doesn't show, no test of that difference shows that
keeps its error rate.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats
from shared import measured_on

from ttl.stats import intervals, non_inferior
from ttl.stats.kinds import scorer
from ttl.stats.resampling import estimate, units_of

Array = npt.NDArray[np.float64]
Marks = npt.NDArray[np.int64]
MARGIN = 0.01
SIGNIFICANCE = 0.025
RESAMPLES = 500
FACTOR = 40
"""The truth of a metric without a formula is that of this many images, drawn once."""
MULTI = 4
"""Classes (labels) of the tasks with several."""


@dataclass(frozen=True)
class Cell:
    """What is simulated: `level` of the metric, `n` images, `correlation` of the two models' noise on one image."""

    kind: str
    metric: str
    level: float
    n: int
    patients: bool
    correlation: float
    prevalence: float
    shape: str = ""


@dataclass(frozen=True)
class Result:
    """Shares over the simulated sets."""

    cell: Cell
    sets: int
    false_claims: float
    coverage_difference: float
    coverage_single: float
    power_equal: float
    power_gain: float
    bootstrap_sets: int
    bootstrap_false_claims: float
    bootstrap_power_equal: float
    bootstrap_power_gain: float
    ideal_power_equal: float
    ideal_power_gain: float


Drawn = tuple[Marks, Array, Array, list[str] | None]


def cells() -> Iterator[Cell]:
    """The design: the primary metric of each kind, rates, means of few images, and the other metrics at 100 images."""
    for level in (0.87, 0.956, 0.98):
        for n in (20, 40, 100, 200, 600):
            for patients in (False, True):
                correlation = 0.9 if patients else 0.7
                yield Cell("binary", "auprc", level, n, patients, correlation, 0.6)
                if n in (40, 200):
                    yield Cell("multiclass", "auprc", level, n, patients, correlation, 1 / MULTI)
                    yield Cell("multilabel", "auprc", level, n, patients, correlation, 0.4)
    for metric in ("sensitivity", "specificity"):
        for level in (0.85, 0.95):
            for n in (40, 100, 600):
                for patients in (False, True):
                    yield Cell("decision", metric, level, n, patients, 0.8, 0.5)
    for shape in ("normal", "skewed"):
        for n in (6, 12, 24, 60):
            yield Cell("segmentation", "dice", 0.85, n, False, 0.8, 1.0, shape)
    for metric in ("auroc", "accuracy", "balanced_accuracy", "f1", "kappa"):
        yield Cell("binary", metric, 0.85, 100, False, 0.8, 0.5)
    for correlation, prevalence in ((0.9, 0.6), (0.5, 0.6), (0.99, 0.6), (0.8, 0.2)):
        yield Cell("binary", "auprc", 0.956, 100, False, correlation, prevalence)


def simulate(cell: Cell, sets: int, seed: int) -> Result:
    """Run one cell."""
    rng = np.random.default_rng(seed)
    worlds = {"loss": -MARGIN, "equal": 0.0, "gain": min(MARGIN, 0.995 - cell.level)}
    claims: dict[str, list[bool]] = {name: [] for name in worlds}
    old: dict[str, list[bool]] = {name: [] for name in worlds}
    covered, single = [], []
    observed: dict[str, list[float]] = {name: [] for name in worlds}
    for world, change in worlds.items():
        draw = drawer(cell, cell.level + change)
        for number in range(sets):
            labels, cut, whole, groups = draw(rng)
            found = non_inferior(cell.metric, cell.kind, labels, cut, whole, margin=MARGIN, groups=groups)
            claims[world].append(found.shown)
            observed[world].append(found.difference.value)
            if world == "loss":
                covered.append(found.difference.holds(-MARGIN))
                own = intervals(cell.kind, labels, whole, names=[cell.metric], groups=groups)[cell.metric]
                single.append(own.holds(cell.level))
            if number < sets // 2:
                old[world].append(percentile_claim(cell, labels, cut, whole, groups))
    shares = {world: float(np.mean(made)) for world, made in claims.items()}
    before = {world: float(np.mean(made)) for world, made in old.items()}
    bound = np.quantile(observed["loss"], 1 - SIGNIFICANCE)
    ideal = {world: float(np.mean(np.array(seen) > bound)) for world, seen in observed.items()}
    return Result(
        cell,
        sets,
        shares["loss"],
        float(np.mean(covered)),
        float(np.mean(single)),
        shares["equal"],
        shares["gain"],
        sets // 2,
        before["loss"],
        before["equal"],
        before["gain"],
        ideal["equal"],
        ideal["gain"],
    )


def percentile_claim(cell: Cell, labels: Marks, cut: Array, whole: Array, groups: list[str] | None) -> bool:
    """What the percentile bootstrap says."""
    first, second = (scorer(cell.kind, labels, rows, (cell.metric,)) for rows in (cut, whole))
    weights = resampled(first.labels, groups)
    drawn = first(weights)[cell.metric] - second(weights)[cell.metric]
    return estimate(0.0, drawn, 0.95).ci_low > -MARGIN


def resampled(labels: Marks, groups: list[str] | None) -> Array:
    """`(RESAMPLES, n)`: how often each sample is drawn; whole patients, within those that hold the same classes."""
    strata, member_of = units_of(labels, groups)
    rng = np.random.default_rng(0)
    weights = np.empty((RESAMPLES, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=RESAMPLES)
    return weights if member_of is None else weights[:, member_of]


def drawer(cell: Cell, level: float) -> Callable[[np.random.Generator], Drawn]:
    """Draws a set of which the cut has the metric `level`, and the whole network the cell's."""
    if cell.kind == "segmentation":
        return lambda rng: dice_set(rng, cell, level)
    if cell.kind == "decision":
        return lambda rng: rates(rng, cell, level)
    return lambda rng: scores(rng, cell, shift(cell, level), shift(cell, cell.level))


@cache
def shift(cell: Cell, level: float) -> float:
    """By how much the score of a positive must lie higher, for the metric of all images to be `level`."""
    if cell.kind == "binary" and cell.metric == "auroc":
        return float(np.sqrt(2) * stats.norm.ppf(level))
    if cell.metric == "auprc":
        return float(optimize.brentq(lambda mu: average_precision(mu, cell.prevalence) - level, 0, 9))

    # Decided at half the shift: sensitivity and specificity are one figure, of which the others are functions.
    def metric_of(mu: float) -> float:
        rate, p = stats.norm.cdf(mu / 2), cell.prevalence
        figures = {
            "accuracy": rate,
            "balanced_accuracy": rate,
            "f1": 2 * p * rate / (2 * p * rate + p * (1 - rate) + (1 - p) * (1 - rate)),
            "kappa": 1 - (1 - rate) / (2 * p * (1 - p) + (1 - 2 * p) ** 2 * (1 - rate)),
        }
        return float(figures[cell.metric])

    return float(optimize.brentq(lambda mu: metric_of(mu) - level, 0, 9))


def average_precision(mu: float, prevalence: float) -> float:
    """Of infinitely many images whose positives score higher by `mu` standard deviations."""
    score = np.linspace(-8, mu + 8, 20001)
    found = prevalence * stats.norm.sf(score - mu)
    precision = found / np.maximum(found + (1 - prevalence) * stats.norm.sf(score), 1e-300)
    return float(np.trapezoid(stats.norm.pdf(score - mu) * precision, score))


def grouped(rng: np.random.Generator, cell: Cell) -> Marks:
    """`(n,)` the patient of each image: geometric counts, 3.3 on average; without patients each its own."""
    if not cell.patients:
        return np.arange(cell.n)
    counts: list[int] = []
    while sum(counts) < cell.n:
        counts.append(min(int(rng.geometric(0.3)), cell.n - sum(counts)))
    return np.repeat(np.arange(len(counts)), counts)


def noise(rng: np.random.Generator, cell: Cell, patient: Marks, columns: int) -> tuple[Array, Array]:
    """`(n, columns)` of the two models; 0.4 of the variance is the patient's."""

    def normal() -> Array:
        shared = rng.standard_normal((patient.max() + 1, columns))[patient] if cell.patients else 0.0
        inner = 0.4 if cell.patients else 0.0
        drawn: Array = np.sqrt(inner) * shared + np.sqrt(1 - inner) * rng.standard_normal((cell.n, columns))
        return drawn

    common, own = normal(), np.sqrt(1 - cell.correlation)
    first, second = (np.sqrt(cell.correlation) * common + own * normal() for _ in range(2))
    return first, second


def labelled(rng: np.random.Generator, cell: Cell, patient: Marks, classes: int) -> Marks:
    """`(n,)` classes, one a patient, in fixed shares."""
    people = patient.max() + 1
    if classes == 2:
        wanted = np.zeros(people, np.int64)
        wanted[: min(people - 2, max(2, round(people * cell.prevalence)))] = 1
    else:
        wanted = np.arange(people) % classes
    return rng.permutation(wanted)[patient]


def chances(scores: Array) -> Array:
    """Probabilities by the logistic function; two columns of one."""
    made = 1 / (1 + np.exp(-scores))
    return np.concatenate([1 - made, made], axis=1) if made.shape[1] == 1 else made


def scores(rng: np.random.Generator, cell: Cell, cut: float, whole: float) -> Drawn:
    """Probabilities of two models of a classification task."""
    patient = grouped(rng, cell)
    groups = [f"p{number}" for number in patient] if cell.patients else None
    if cell.kind == "binary":
        labels = labelled(rng, cell, patient, 2)
        marks = labels[:, None]
    elif cell.kind == "multiclass":
        labels = labelled(rng, cell, patient, MULTI)
        marks = (labels[:, None] == np.arange(MULTI)).astype(np.int64)
    else:
        columns = [labelled(rng, cell, patient, 2) for _ in range(MULTI)]
        labels = marks = np.stack(columns, axis=1)
    ones, others = noise(rng, cell, patient, marks.shape[1])
    rows = [chances(mu * (marks - 0.5) + drawn) for mu, drawn in ((cut, ones), (whole, others))]
    if cell.kind == "multiclass":  # the columns are ranked one by one: what they sum up to doesn't matter
        rows = [each / MULTI for each in rows]
    return labels, rows[0], rows[1], groups


def rates(rng: np.random.Generator, cell: Cell, level: float) -> Drawn:
    """Decisions of two models that are right with the probability of their level."""
    patient = grouped(rng, cell)
    labels = labelled(rng, cell, patient, 2)
    drawn = noise(rng, cell, patient, 1)
    right = [each[:, 0] < stats.norm.ppf(rate) for each, rate in zip(drawn, (level, cell.level), strict=True)]
    cut, whole = (np.where(hit, labels, 1 - labels).astype(np.float64) for hit in right)
    return labels, cut, whole, [f"p{number}" for number in patient] if cell.patients else None


def dice_set(rng: np.random.Generator, cell: Cell, level: float) -> Drawn:
    """Overlaps of two models, by counts that give the Dice wanted; skewed: the cut fails badly on few images."""
    base = cell.level + 0.05 * rng.standard_normal(cell.n)
    gap = level - cell.level
    if cell.shape == "normal":
        change = gap + 0.02 * rng.standard_normal(cell.n)
    else:
        change = gap - 0.02 * (rng.gamma(1.0, 1.0, cell.n) - 1)
    counts = [np.zeros((cell.n, 2, 5)) for _ in range(2)]
    for made, dice in zip(counts, (base + change, base), strict=True):
        hits = 1000 * np.clip(dice, 0, 1)
        made[:, 1, 0], made[:, 1, 1], made[:, 1, 2] = hits, 1000 - hits, 1000 - hits
        made[:, 0, 0] = 5000
        made[:, :, 4] = np.nan
    return np.ones((cell.n, 2), np.int64), counts[0], counts[1], None


def judged(results: list[Result]) -> dict[str, object]:
    """The pass criteria over all cells."""
    p = np.array([stats.binomtest(round(r.false_claims * r.sets), r.sets, 0.025, "greater").pvalue for r in results])
    order = np.argsort(p)
    held = p[order] * (len(p) - np.arange(len(p)))
    worst = [results[i].cell for i, value in zip(order, held, strict=True) if value < SIGNIFICANCE * 2]
    large = [r for r in results if r.cell.n >= 100]

    def ratio(name: str, to: str = "bootstrap") -> float:
        pairs = [(getattr(r, name), getattr(r, f"{to}_{name}")) for r in large]
        return float(sum(one for one, _ in pairs) / max(1e-9, sum(other for _, other in pairs)))

    return {
        "cells": len(results),
        "mean_false_claims": float(np.mean([r.false_claims for r in results])),
        "bootstrap_mean_false_claims": float(np.mean([r.bootstrap_false_claims for r in results])),
        "cells_significantly_above": [asdict(cell) for cell in worst],
        "mean_coverage_of_differences": float(np.mean([r.coverage_difference for r in results])),
        "mean_coverage_of_metrics": float(np.mean([r.coverage_single for r in results])),
        "power_of_the_bootstraps_equal": ratio("power_equal"),
        "power_of_the_bootstraps_gain": ratio("power_gain"),
        "power_of_the_ideal_equal": ratio("power_equal", "ideal"),
        "power_of_the_ideal_gain": ratio("power_gain", "ideal"),
    }


def main() -> None:
    """Simulate all cells; figures are written after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--part", default="0/1", help="I/N: the I-th of N parts of the cells")
    parser.add_argument("--only", default="", help="cells of this kind or metric")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/coverage.json"))
    asked = parser.parse_args()
    part, parts = map(int, asked.part.split("/"))
    results: list[Result] = []
    for number, cell in enumerate(cells()):
        if number % parts != part or (asked.only and asked.only not in (cell.kind, cell.metric)):
            continue
        start = time.perf_counter()
        results.append(simulate(cell, asked.sets, number))
        made = results[-1]
        print(
            f"{cell.kind:12} {cell.metric:12} {cell.level:.3f} n={cell.n:<4} {'patients' if cell.patients else '':8} "
            f"r={cell.correlation} p={cell.prevalence:.2f} {cell.shape:7} false {made.false_claims:.1%} "
            f"(bootstrap {made.bootstrap_false_claims:.1%})  covers {made.coverage_difference:.1%} "
            f"{made.coverage_single:.1%}  power {made.power_equal:.1%} ({made.bootstrap_power_equal:.1%}) "
            f"{made.power_gain:.1%} ({made.bootstrap_power_gain:.1%})  {time.perf_counter() - start:.0f} s",
            flush=True,
        )
        figures = {"verdict": judged(results), "cells": [asdict(result) for result in results], **measured_on()}
        asked.results.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(judged(results), indent=1))


if __name__ == "__main__":
    main()
