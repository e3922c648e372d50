"""How far the stated probabilities can be trusted: reliability in bins, and the histogram of the confidence."""

from __future__ import annotations

from collections.abc import Sequence

from ttl.report.cells import amount, estimate_cell
from ttl.report.figures import svg
from ttl.report.page_blocks import PLOTTED, Figure, Prose, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.on_test import Confidence
from ttl.report.sections.recalibrated_probabilities import recalibrated
from ttl.report.wording import Side, sides, tested_units, with_interval
from ttl.words import units
from ttl.words.estimate import Estimate
from ttl.words.metric import METRICS, Metric

CONFIDENCE = (
    "Confidence is the probability that a network gives to what it says. A calibration error of 0 means that what is "
    "said with some probability comes true as often; lower is better."
)
SHARE = Metric("share")
FILLED = 0.84
"""Of the room of a column; the rest parts it from the next."""


def confidence(report: RunReport) -> Section | None:
    """Recalibration, accuracy against confidence, and how many images have which; None where there is none of it."""
    blocks = recalibrated(report)
    if report.calibration is not None:
        networks = sides(report, full=report.calibration.full, chosen=report.calibration.chosen)
        figures = _reliability(report, networks, report.calibration.grouped), _histogram(networks)
        blocks += [Prose(CONFIDENCE), *figures]
    return Section("trust", "How far its probabilities can be trusted", tuple(blocks)) if blocks else None


def _reliability(report: RunReport, networks: Sequence[Side[Confidence]], is_grouped: bool) -> Figure:
    low, sizes = networks[0].of.histogram.edges[0], [of.n for side in networks for of in side.of.bins]
    axes = svg.Axes.spanning((low, 1.0), (0.0, 1.0), size=svg.SQUARE)
    marks, described, key, rows = [axes.path((low, 1.0), (low, 1.0), "guessing")], [], [], []
    for side in networks:
        network, bins = side.network, side.of.bins
        line = axes.path([of.confidence for of in bins], [of.accuracy.value for of in bins], f"thin {network}")
        bars, dots, shares = [], [], []
        for of in bins:
            stated, right = units.score(of.confidence), units.score(of.accuracy.value)
            label = f"{side.words}: confidence {stated}, right {right}, {units.whole(of.n)} in the bin"
            bars.append(axes.error_bar(of.confidence, of.accuracy.ci_low, of.accuracy.ci_high, network))
            dots.append(axes.dot(of.confidence, of.accuracy.value, network, label, square=network == "full"))
            shares.append(f"{right} right at {stated}")
            cells = (amount(value, units.score) for value in (of.low, of.high, of.confidence))
            rows.append(row(side.words, amount(of.n), *cells, estimate_cell(of.accuracy, SHARE)))
        marks.append(svg.element("g", line, *bars, *dots))
        described.append(f"{side.words}: {', '.join(shares)}")
        key.append((network, side.words + _error_words(report, side)))
    words = "share that is right against confidence", f"{'; '.join(described)}."
    picture = axes.plot("reliability", words, ("confidence", "share that is right"), *marks, whole=False)
    size = " to ".join(units.whole(n) for n in sorted({min(sizes), max(sizes)}))
    binned = tested_units(report).capitalize() if report.task.kind.one_class_each else "Labels"
    caption = (
        f"{binned} in bins of {size}, from the least to the most "
        "confident, with 95% intervals (Wilson). On the dotted line what is said with 80% confidence is right 80 times "
        "in 100; below it a network is too sure, above it not sure enough."
    )
    caption += " Images of one patient are taken for independent here." if is_grouped else ""
    columns = ("Network", "In the bin", "Confidence from", "to", "Mean confidence", "Share that is right")
    data = Table(PLOTTED, columns, tuple(rows), folded=True)
    return Figure("reliability", picture, caption, tuple(key), data, title="Reliability", half=True)


def _error_words(report: RunReport, side: Side[Confidence]) -> str:
    """The calibration error, and where it would lie if the network were perfectly calibrated."""
    result = report.full if side.network == "full" else report.chosen
    error = result.test.get("ece", Estimate()) if result else Estimate()
    if not error.is_defined:
        return ""
    of = report.probabilities
    believed = None if of is None else of.full if side.network == "full" else of.chosen
    if believed is None or not believed.expected_error.has_interval:
        return f": calibration error {with_interval(METRICS['ece'], error)}"
    expected = METRICS["ece"].interval(believed.expected_error)
    return f": calibration error {METRICS['ece'].text(error.value)}, where perfectly calibrated {expected}"


def _histogram(networks: Sequence[Side[Confidence]]) -> Figure:
    most = max(count for side in networks for count in side.of.histogram.counts)
    low = networks[0].of.histogram.edges[0]
    axes = svg.Axes.spanning((low, 1.0), (0.0, (1 + svg.AIR) * max(most, 1)), size=svg.SQUARE)
    layers, described, rows = [], [], []
    for at, side in enumerate(networks):
        edges, counts, columns = side.of.histogram.edges, side.of.histogram.counts, []
        described.append(f"{side.words}: {', '.join(map(units.whole, counts))}")
        for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True):
            start, stop, top = axes.x(left), axes.x(right), axes.y(count)
            width = FILLED * (stop - start) / len(networks)
            x = start + (1 - FILLED) / 2 * (stop - start) + at * width
            tooltip = f"{side.words}, {units.score(left)} to {units.score(right)}: {units.whole(count)}"
            columns.append(svg.rectangle(f"column {side.network}", x, top, width, axes.y.start - top, tooltip))
            rows.append(row(side.words, amount(left, units.score), amount(right, units.score), amount(count)))
        layers.append(svg.element("g", *columns))
    order = f"From the lowest confidence to the highest. {'; '.join(described)}."
    words = "how many are told with what confidence", order
    picture = axes.plot("confidence", words, ("confidence", "how many"), *layers, whole=False)
    data = Table(PLOTTED, ("Network", "Confidence from", "to", "How many"), tuple(rows), folded=True)
    caption = "How many are told with what confidence: the probability of what the network says."
    key = tuple((f"{side.network} square", side.words) for side in networks)
    return Figure("confidence", picture, caption, key, data, title="Confidence", half=True)
