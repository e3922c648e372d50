"""How far the stated probabilities can be trusted: reliability in bins, and the histogram of the confidence."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ttl.report.cells import amount, estimate_cell
from ttl.report.figures import svg
from ttl.report.page_blocks import PLOTTED, Columns, Figure, Prose, Section, table
from ttl.report.schema import RunReport
from ttl.report.schema.on_test import Confidence
from ttl.report.wording import Side, sides, with_interval
from ttl.stats import Bin
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
    """Accuracy against confidence, and how many images have which confidence; None where they weren't counted."""
    if report.calibration is None:
        return None
    networks = sides(report, full=report.calibration.full, chosen=report.calibration.chosen)
    figures = _reliability(report, networks, report.calibration.grouped), _histogram(networks)
    return Section("trust", "How far its probabilities can be trusted", (Prose(CONFIDENCE), *figures))


def _reliability(report: RunReport, networks: Sequence[Side[Confidence]], is_grouped: bool) -> Figure:
    low, bins = networks[0].of.histogram.edges[0], [(side, of) for side in networks for of in side.of.bins]
    axes = svg.Axes.spanning((low, 1.0), (0.0, 1.0), size=svg.SQUARE)
    described = []
    for side in networks:
        each = (f"{units.score(of.accuracy.value)} right at {units.score(of.confidence)}" for of in side.of.bins)
        described.append(f"{side.words}: {', '.join(each)}")
    picture = svg.plot(
        "reliability",
        "share that is right against confidence",
        f"{'; '.join(described)}.",
        axes.frame("confidence", "share that is right", whole=False),
        axes.path((low, 1.0), (low, 1.0), "guessing"),
        *(_marks(axes, side) for side in networks),
        size=svg.SQUARE,
    )
    alone = " Images of one patient are taken for independent here." if is_grouped else ""
    sizes = sorted({of.n for _, of in bins})
    size = " to ".join(units.whole(n) for n in dict.fromkeys((sizes[0], sizes[-1])))
    binned = "Test images" if report.task.kind.one_class_each else "Labels"
    caption = (
        f"{binned} in bins of {size}, from the least to the most "
        "confident, with 95% intervals (Wilson). On the dotted line what is said with 80% confidence is right 80 times "
        f"in 100; below it a network is too sure, above it not sure enough.{alone}"
    )
    key = tuple((side.network, f"{side.words}{_error_words(report, side)}") for side in networks)
    columns: Columns[tuple[Side[Confidence], Bin]] = {
        "Network": lambda line: line[0].words,
        "In the bin": lambda line: amount(line[1].n),
        "Confidence from": lambda line: amount(line[1].low, units.score),
        "to": lambda line: amount(line[1].high, units.score),
        "Mean confidence": lambda line: amount(line[1].confidence, units.score),
        "Share that is right": lambda line: estimate_cell(line[1].accuracy, SHARE),
    }
    data = table(PLOTTED, columns, bins, folded=True)
    return Figure("reliability", picture, caption, key, data, title="Reliability", half=True)


def _error_words(report: RunReport, side: Side[Confidence]) -> str:
    result = report.full if side.network == "full" else report.chosen
    error = result.test.get("ece", Estimate()) if result else Estimate()
    return f": calibration error {with_interval(METRICS['ece'], error)}" if error.is_defined else ""


def _marks(axes: svg.Axes, side: Side[Confidence]) -> Markup:
    bins, network = side.of.bins, side.network
    line = axes.path([of.confidence for of in bins], [of.accuracy.value for of in bins], f"thin {network}")
    bars = [axes.error_bar(of.confidence, of.accuracy.ci_low, of.accuracy.ci_high, network) for of in bins]
    dots = []
    for of in bins:
        right = f"confidence {units.score(of.confidence)}, right {units.score(of.accuracy.value)}"
        label = f"{side.words}: {right}, {units.whole(of.n)} in the bin"
        dots.append(axes.dot(of.confidence, of.accuracy.value, network, label, square=network == "full"))
    return svg.element("g", line, *bars, *dots)


def _histogram(networks: Sequence[Side[Confidence]]) -> Figure:
    most = max(count for side in networks for count in side.of.histogram.counts)
    low = networks[0].of.histogram.edges[0]
    axes = svg.Axes.spanning((low, 1.0), (0.0, (1 + svg.AIR) * max(most, 1)), size=svg.SQUARE)
    words = "; ".join(f"{side.words}: {', '.join(map(units.whole, side.of.histogram.counts))}" for side in networks)
    picture = svg.plot(
        "confidence",
        "how many are told with what confidence",
        f"From the lowest confidence to the highest. {words}.",
        axes.frame("confidence", "how many", whole=False),
        *(_columns(axes, side, at, len(networks)) for at, side in enumerate(networks)),
        size=svg.SQUARE,
    )
    columns: Columns[tuple[str, float, float, int]] = {
        "Network": lambda line: line[0],
        "Confidence from": lambda line: amount(line[1], units.score),
        "to": lambda line: amount(line[2], units.score),
        "How many": lambda line: amount(line[3]),
    }
    data = table(PLOTTED, columns, ((side.words, *of) for side in networks for of in _counted(side)), folded=True)
    caption = "How many are told with what confidence: the probability of what the network says."
    key = tuple((f"{side.network} square", side.words) for side in networks)
    return Figure("confidence", picture, caption, key, data, title="Confidence", half=True)


def _counted(side: Side[Confidence]) -> list[tuple[float, float, int]]:
    """Edges and count of each column."""
    edges = side.of.histogram.edges
    return list(zip(edges[:-1], edges[1:], side.of.histogram.counts, strict=True))


def _columns(axes: svg.Axes, side: Side[Confidence], at: int, of: int) -> Markup:
    """A column for each count, beside those of the other network."""
    columns = []
    for left, right, count in _counted(side):
        start, stop, top = axes.x(left), axes.x(right), axes.y(count)
        width = FILLED * (stop - start) / of
        tooltip = f"{side.words}, {units.score(left)} to {units.score(right)}: {units.whole(count)}"
        x = start + (1 - FILLED) / 2 * (stop - start) + at * width
        columns.append(svg.rectangle(f"column {side.network}", x, top, width, axes.y.start - top, tooltip))
    return svg.element("g", *columns)
