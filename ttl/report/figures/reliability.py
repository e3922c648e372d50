"""How far the stated probabilities can be trusted: reliability in bins, and the histogram of the confidence."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ttl.report.figures import svg
from ttl.report.page_blocks import Figure, Table, amount, estimate_cell, row
from ttl.report.schema import RunReport
from ttl.report.schema.on_test import Confidence
from ttl.report.wording import Side, sides
from ttl.stats import Bin
from ttl.words import units
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric

SHARE = Metric("share")
FILLED = 0.84
"""Of the room of a column; the rest parts it from the next."""


def reliability_figures(report: RunReport) -> list[Figure]:
    """Accuracy against confidence, and how many images have which confidence; none where they weren't counted."""
    if report.calibration is None:
        return []
    networks = sides(report, full=report.calibration.full, chosen=report.calibration.chosen)
    return [_reliability(report, networks, report.calibration.grouped), _histogram(networks)]


def _reliability(report: RunReport, networks: Sequence[Side[Confidence]], is_grouped: bool) -> Figure:
    low, sizes = networks[0].of.histogram.edges[0], [of.n for side in networks for of in side.of.bins]
    axes = svg.Axes.spanning((low, 1.0), (0.0, 1.0), size=svg.SQUARE)
    words = "; ".join(
        f"{side.words}: "
        + ", ".join(f"{units.score(of.accuracy.value)} right at {units.score(of.confidence)}" for of in side.of.bins)
        for side in networks
    )
    picture = svg.plot(
        "reliability",
        "share that is right against confidence",
        f"{words}.",
        axes.frame("confidence", "share that is right", whole=False),
        axes.path((low, 1.0), (low, 1.0), "guessing"),
        *(_marks(axes, side) for side in networks),
        size=svg.SQUARE,
    )
    alone = " Images of one patient are taken for independent here." if is_grouped else ""
    each = " to ".join(units.whole(size) for size in sorted({min(sizes), max(sizes)}))
    binned = "Test images" if report.task.kind.one_class_each else "Labels"
    caption = (
        f"{binned} in bins of {each}, from the least to the most "
        "confident, with 95% intervals (Wilson). On the dotted line what is said with 80% confidence is right 80 times "
        f"in 100; below it a network is too sure, above it not sure enough.{alone}"
    )
    results = {"full": report.full, "chosen": report.chosen}
    key = []
    for side in networks:
        result = results[side.network]
        error = result.test.get("ece", Estimate()) if result else Estimate()
        ends = f" ({units.score(error.ci_low)} to {units.score(error.ci_high)})" if error.has_interval else ""
        value = f": calibration error {units.score(error.value)}{ends}" if error.is_defined else ""
        key.append((side.network, f"{side.words}{value}"))
    return Figure("reliability", picture, caption, tuple(key), _bins_table(networks), title="Reliability", half=True)


def _marks(axes: svg.Axes, side: Side[Confidence]) -> Markup:
    bins, network = side.of.bins, side.network
    line = axes.path([of.confidence for of in bins], [of.accuracy.value for of in bins], f"thin {network}")
    bars = (axes.error_bar(of.confidence, of.accuracy.ci_low, of.accuracy.ci_high, network) for of in bins)
    dots = (
        axes.dot(of.confidence, of.accuracy.value, network, _bin_words(side, of), square=network == "full")
        for of in bins
    )
    return svg.element("g", line, *bars, *dots)


def _bin_words(side: Side[Confidence], of: Bin) -> str:
    right = units.score(of.accuracy.value)
    return f"{side.words}: confidence {units.score(of.confidence)}, right {right}, {units.whole(of.n)} in the bin"


def _bins_table(networks: Sequence[Side[Confidence]]) -> Table:
    rows = tuple(
        row(
            side.words,
            amount(of.n),
            *(amount(value, units.score) for value in (of.low, of.high, of.confidence)),
            estimate_cell(of.accuracy, SHARE),
        )
        for side in networks
        for of in side.of.bins
    )
    columns = ("Network", "In the bin", "Confidence from", "to", "Mean confidence", "Share that is right")
    return Table("Data of this plot", columns, rows, folded=True)


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
    caption = "How many are told with what confidence: the probability of what the network says."
    key = tuple((f"{side.network} square", side.words) for side in networks)
    rows = tuple(
        row(side.words, amount(low, units.score), amount(high, units.score), amount(count))
        for side in networks
        for low, high, count in _counted(side)
    )
    data = Table("Data of this plot", ("Network", "Confidence from", "to", "How many"), rows, folded=True)
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
        title = f"{side.words}, {units.score(left)} to {units.score(right)}: {units.whole(count)}"
        columns.append(
            svg.element(
                "rect",
                svg.element("title", title),
                class_=f"column {side.network}",
                x=start + (1 - FILLED) / 2 * (stop - start) + at * width,
                y=top,
                width=width,
                height=axes.y.start - top,
            )
        )
    return svg.element("g", *columns)
