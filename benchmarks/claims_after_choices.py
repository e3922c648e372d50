"""What choices made on validation images do to claims: thresholds set there, and a cut chosen there among several.

    python benchmarks/claims_after_choices.py --sets 400

Scores are simulated as in `coverage.py`.

- Thresholds: two models get each its own threshold, for the same aim, on validation images; the decision endpoint is
  then compared on test images. The true loss of the pair at its thresholds is known, and claims at a margin of exactly
  that loss are counted: 2.5 % may be made. Beside it: claims at the margin of 0.05 where the loss is larger; the best
  thresholds would lose exactly 0.05.
- Choice: `k` smaller candidates lose exactly the margin against the reference, and the smallest that is shown not to be
  inferior to the best one is chosen, as a search chooses. How often is it one of those, and how often do test images
  (as many) then show the false claim? And how often is any of the `k` shown not to be inferior to the reference?
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
from coverage import Array, Cell, Marks, average_precision, chances, labelled, scores, shift
from scipy import optimize, stats
from shared import measured_on

from ttl.search.select import choose_smallest
from ttl.stats import Aim, metrics, non_inferior, threshold
from ttl.study.candidate import Candidate

MARGIN, MARGIN_DECISION = 0.01, 0.05
PREVALENCE = 0.4


@dataclass(frozen=True)
class ThresholdCell:
    """`level`: the balanced accuracy of the better model at its best threshold."""

    endpoint: str
    aim: Aim
    level: float
    validation: int
    test: int
    patients: bool = False


@dataclass(frozen=True)
class ThresholdResult:
    """Shares of the sets."""

    cell: ThresholdCell
    sets: int
    false_claims: float  # at a margin that is the true loss of the pair at its thresholds
    false_at_margin: float  # at 0.05, where the true loss is at least that
    mean_loss: float
    spread_of_loss: float  # standard deviation over sets: what thresholds from few images do
    covered: float  # intervals that hold the true difference


@dataclass(frozen=True)
class ChoiceResult:
    """Shares of the sets."""

    candidates: int
    images: int
    correlation: float
    sets: int
    chosen: float  # a candidate that loses the margin
    by_the_test: float  # shown not to be inferior to the best; else it had the best score itself
    shown_on_test: float  # it was chosen, and test images show the false claim
    any_against_reference: float  # any of the k is shown not to be inferior to the reference


def threshold_cells() -> Iterator[ThresholdCell]:
    """The endpoint of each aim."""
    for validation, test in ((60, 100), (200, 200), (200, 600)):
        for patients in (False, True):
            yield ThresholdCell("balanced_accuracy", Aim(), 0.9, validation, test, patients)
        yield ThresholdCell("specificity", Aim("sensitivity", 0.9), 0.9, validation, test)
    yield ThresholdCell("sensitivity", Aim("specificity", 0.9), 0.9, 200, 200)


def threshold_claims(cell: ThresholdCell, sets: int, seed: int) -> ThresholdResult:
    """Run one cell."""
    rng = np.random.default_rng(seed)
    better, worse = shifts(cell)
    validation, test = (
        Cell("binary", "auprc", 0.0, n, cell.patients, 0.8, PREVALENCE) for n in (cell.validation, cell.test)
    )
    false: list[bool] = []
    at_margin: list[bool] = []
    losses: list[float] = []
    covered: list[bool] = []
    while len(losses) < sets:
        labels, *both, groups = scores(rng, validation, worse, better)
        values = [threshold(labels, rows[:, 1], cell.aim, groups).value for rows in both]
        true = [rate(cell.endpoint, mu, value) for mu, value in zip((worse, better), values, strict=True)]
        loss = true[1] - true[0]
        labels, *both, groups = scores(rng, test, worse, better)
        made = [(rows[:, 1] >= value).astype(float) for rows, value in zip(both, values, strict=True)]
        found = non_inferior(cell.endpoint, "decision", labels, *made, margin=max(loss, 1e-9), groups=groups)
        losses.append(loss)
        covered.append(found.difference.holds(-loss))
        at_margin.append(loss >= MARGIN_DECISION and found.enough and found.difference.ci_low > -MARGIN_DECISION)
        if loss > 0:
            false.append(found.shown)
    figures = (np.mean(false), np.mean(at_margin), np.mean(losses), np.std(losses), np.mean(covered))
    return ThresholdResult(cell, sets, *map(float, figures))


def shifts(cell: ThresholdCell) -> tuple[float, float]:
    """Of the scores of positives, of the better model and of one whose endpoint is lower by the margin."""
    mu = 2 * float(stats.norm.ppf(cell.level))

    def best(of: float) -> float:
        if cell.endpoint == "balanced_accuracy":
            return float(stats.norm.cdf(of / 2))
        return float(stats.norm.cdf(of - stats.norm.ppf(cell.aim.value)))

    return mu, float(optimize.brentq(lambda of: best(of) - best(mu) + MARGIN_DECISION, 0, mu))


def rate(endpoint: str, mu: float, value: float) -> float:
    """The endpoint of a model at a threshold (a probability), of all images there could be."""
    score = np.log(value / (1 - value)) if 0 < value < 1 else np.inf * (value - 0.5)
    sensitivity, specificity = stats.norm.cdf(mu / 2 - score), stats.norm.cdf(score + mu / 2)
    figures = {"sensitivity": sensitivity, "specificity": specificity}
    return float(figures.get(endpoint, (sensitivity + specificity) / 2))


@dataclass(frozen=True, eq=False)
class Costs:
    """See `Simulated`."""

    params: int


@dataclass(frozen=True, eq=False)
class Top:
    """See `Simulated`."""

    index: int


@dataclass(frozen=True, eq=False)
class Simulated:
    """A candidate as far as a choice looks at it."""

    name: str
    costs: Costs
    top: Top


def false_choices(k: int, images: int, correlation: float, sets: int, seed: int) -> ChoiceResult:
    """Among `k` candidates that lose the margin, and the reference, which is the last and largest."""
    rng = np.random.default_rng(seed)
    cell = Cell("binary", "auprc", 0.956, images, False, correlation, 0.6)
    levels = [shift(cell, cell.level - MARGIN)] * k + [shift(cell, cell.level)]
    assert abs(average_precision(levels[-1], cell.prevalence) - cell.level) < 1e-6
    points = [cast(Candidate, Simulated(str(i), Costs(i), Top(i))) for i in range(k + 1)]
    chosen = shown = tested = against = 0
    for _ in range(sets):
        labels, rows = seen_by_all(rng, cell, levels)
        reached = [metrics("binary", labels, each, ["auprc"])["auprc"] for each in rows]

        def proof(one: Candidate, top: Candidate, labels: Marks = labels, rows: list[Array] = rows) -> str | None:
            a, b = rows[one.top.index], rows[top.top.index]
            return "shown" if non_inferior("auprc", "binary", labels, a, b, margin=MARGIN).shown else None

        against += any(proof(one, points[-1]) for one in points[:-1])
        choice = choose_smallest(proof)(points, dict(zip(points, reached, strict=True)))
        if choice.candidate.top.index == k:
            continue
        chosen += 1
        tested += "shown not to be inferior to the best" in choice.reason
        answers, (cut, whole) = seen_by_all(rng, cell, [levels[0], levels[-1]])
        shown += non_inferior("auprc", "binary", answers, cut, whole, margin=MARGIN).shown
    return ChoiceResult(k, images, correlation, sets, *(each / sets for each in (chosen, tested, shown, against)))


def seen_by_all(rng: np.random.Generator, cell: Cell, shifts_of: list[float]) -> tuple[Marks, list[Array]]:
    """Labels, and probabilities of as many models as there are shifts, all equally correlated."""
    labels = labelled(rng, cell, np.arange(cell.n), 2)
    common = np.sqrt(cell.correlation) * rng.standard_normal(cell.n)
    own = np.sqrt(1 - cell.correlation) * rng.standard_normal((len(shifts_of), cell.n))
    made = [mu * (labels - 0.5) + common + each for mu, each in zip(shifts_of, own, strict=True)]
    return labels, [chances(each[:, None]) for each in made]


def main() -> None:
    """Simulate all cells; figures are written after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=400)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/claims_after_choices.json"))
    asked = parser.parse_args()
    thresholds: list[ThresholdResult] = []
    choices: list[ChoiceResult] = []

    def write(line: str, start: float) -> None:
        print(f"{line}  {time.perf_counter() - start:.0f} s", flush=True)
        figures = {
            "thresholds": [asdict(result) for result in thresholds],
            "choices": [asdict(result) for result in choices],
            **measured_on(),
        }
        asked.results.write_text(json.dumps(figures, indent=1) + "\n")

    for number, cell in enumerate(threshold_cells()):
        start = time.perf_counter()
        made = threshold_claims(cell, asked.sets, number)
        thresholds.append(made)
        write(
            f"{cell.aim.rule:18} {cell.endpoint:18} validation {cell.validation:<4} test {cell.test:<4} "
            f"{'patients' if cell.patients else '':8} false {made.false_claims:.1%}, at 0.05 "
            f"{made.false_at_margin:.1%}  true loss {made.mean_loss:.3f} (sd {made.spread_of_loss:.3f})  covers "
            f"{made.covered:.1%}",
            start,
        )
    for images in (100, 400):
        for correlation in (0.8, 0.95):
            for k in (2, 5, 10):
                start = time.perf_counter()
                result = false_choices(k, images, correlation, asked.sets, k)
                choices.append(result)
                write(
                    f"{k:2} candidates, {images} images, r={correlation}: chosen {result.chosen:.1%}, by the test "
                    f"{result.by_the_test:.1%}, and shown on test {result.shown_on_test:.1%}; any shown against the "
                    f"reference {result.any_against_reference:.1%}",
                    start,
                )


if __name__ == "__main__":
    main()
