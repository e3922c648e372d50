"""How far the stated probabilities can be trusted: reliability in bins, and the histogram of the confidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ttl.report.blocks import Figure, Table, estimate_cell, row
from ttl.report.figures import svg
from ttl.report.reading import Report, items, mapping, records
from ttl.words import units
from ttl.words.estimate import Estimate, number
from ttl.words.metric import Metric

SHARE = Metric("share")


@dataclass(frozen=True)
class Bin:
    """Test images of like confidence."""

    n: float
    low: float
    high: float
    confidence: float
    accuracy: Estimate

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Bin:
        """From one entry of `bins`."""
        n, low, high, confidence = (number(value.get(key)) for key in ("n", "low", "high", "confidence"))
        return cls(n, low, high, confidence, Estimate.read(mapping(value, "accuracy")))

    @property
    def drawn(self) -> bool:
        """Whether it has a place in the plot."""
        return math.isfinite(self.confidence) and self.accuracy.known


@dataclass(frozen=True)
class Weighed:
    """One network's confidence against how often it is right."""

    network: str
    words: str
    bins: tuple[Bin, ...]
    edges: tuple[float, ...]
    counts: tuple[float, ...]
    error: Estimate

    @property
    def lowest(self) -> float:
        """The lowest confidence there can be; 0 where unknown."""
        return self.edges[0] if self.edges and math.isfinite(self.edges[0]) else 0.0


def weighed(report: Report) -> list[Weighed]:
    """What `calibration` holds, the whole network first."""
    found = mapping(report.raw, "calibration")
    candidates = {"full": report.full, "chosen": report.chosen}
    sides = []
    for network, words in report.networks.items():
        value = mapping(found, network)
        histogram, of = mapping(value, "histogram"), candidates[network]
        error = of.test.get("ece", Estimate()) if of else Estimate()
        bins = tuple(map(Bin.read, records(value, "bins")))
        edges, counts = (tuple(map(number, items(histogram, key))) for key in ("edges", "counts"))
        if bins or counts:
            sides.append(Weighed(network, words, bins, edges, counts, error))
    return sides


def reliability_figure(report: Report, sides: Sequence[Weighed]) -> Figure | None:
    """Accuracy against confidence; None where nothing can be drawn."""
    drawn = [side for side in sides if any(of.drawn for of in side.bins)]
    if not drawn:
        return None
    axes = svg.Axes.spanning((drawn[0].lowest, 1.0), (0.0, 1.0), size=svg.SQUARE)
    low, n = drawn[0].lowest, [of.n for side in drawn for of in side.bins]
    said = "; ".join(
        f"{side.words}: "
        + ", ".join(f"{units.score(of.accuracy.value)} right at {units.score(of.confidence)}" for of in side.bins)
        for side in drawn
    )
    picture = svg.plot(
        "reliability",
        "share that is right against confidence",
        f"{said}.",
        axes.frame("confidence", "share that is right", whole=False),
        axes.path((low, 1.0), (low, 1.0), "guessing"),
        *(_marks(axes, side) for side in drawn),
        size=svg.SQUARE,
    )
    grouped = mapping(report.raw, "calibration").get("grouped")
    alone = " Images of one patient are taken for independent here." if grouped else ""
    each = units.whole(min(n)) if min(n) == max(n) else f"{units.whole(min(n))} to {units.whole(max(n))}"
    what = "Labels" if report.kind == "multilabel" else "Test images"
    caption = (
        f"{what} in bins of {each}, from the least to the most confident, with 95% intervals (Wilson). On the dotted "
        "line what is said with 80% confidence is right 80 times in 100; below it a network is too sure, above it not "
        f"sure enough.{alone}"
    )
    key = tuple((side.network, _error_words(side)) for side in drawn)
    return Figure("reliability", picture, caption, key, _bins_table(drawn), title="Reliability", half=True)


def _error_words(side: Weighed) -> str:
    if not side.error.known:
        return side.words
    ends = f" ({units.score(side.error.low)} to {units.score(side.error.high)})" if side.error.has_interval else ""
    return f"{side.words}: calibration error {units.score(side.error.value)}{ends}"


def _marks(axes: svg.Axes, side: Weighed) -> Markup:
    drawn = [of for of in side.bins if of.drawn]
    line = axes.path([of.confidence for of in drawn], [of.accuracy.value for of in drawn], f"thin {side.network}")
    bars = (
        axes.error_bar(of.confidence, of.accuracy.low, of.accuracy.high, side.network)
        for of in drawn
        if of.accuracy.has_interval
    )
    dots = (
        axes.dot(of.confidence, of.accuracy.value, side.network, _bin_words(side, of), square=side.network == "full")
        for of in drawn
    )
    return svg.element("g", line, *bars, *dots)


def _bin_words(side: Weighed, of: Bin) -> str:
    right = units.score(of.accuracy.value)
    return f"{side.words}: confidence {units.score(of.confidence)}, right {right}, {units.whole(of.n)} in the bin"


def _bins_table(sides: Sequence[Weighed]) -> Table:
    rows = tuple(
        row(
            side.words,
            units.whole(of.n),
            units.score(of.low),
            units.score(of.high),
            units.score(of.confidence),
            estimate_cell(of.accuracy, SHARE),
        )
        for side in sides
        for of in side.bins
    )
    columns = ("Network", "In the bin", "Confidence from", "to", "Mean confidence", "Share that is right")
    return Table("Data of this plot", columns, rows, folded=True)


def histogram_figure(sides: Sequence[Weighed]) -> Figure | None:
    """How many images are told with what confidence; None where nothing was counted."""
    drawn = [side for side in sides if side.counts and len(side.edges) == len(side.counts) + 1]
    drawn = [side for side in drawn if all(map(math.isfinite, (*side.edges, *side.counts)))]
    if not drawn:
        return None
    most = max(count for side in drawn for count in side.counts)
    axes = svg.Axes.spanning((drawn[0].lowest, 1.0), (0.0, 1.06 * max(most, 1)), size=svg.SQUARE)
    said = "; ".join(f"{side.words}: {', '.join(map(units.whole, side.counts))}" for side in drawn)
    picture = svg.plot(
        "confidence",
        "how many are told with what confidence",
        f"From the lowest confidence to the highest. {said}.",
        axes.frame("confidence", "how many", whole=False),
        *(_columns(axes, side, at, len(drawn)) for at, side in enumerate(drawn)),
        size=svg.SQUARE,
    )
    caption = "How many are told with what confidence: the probability of what the network says."
    key = tuple((f"{side.network} square", side.words) for side in drawn)
    return Figure("confidence", picture, caption, key, _counts_table(drawn), title="Confidence", half=True)


def _columns(axes: svg.Axes, side: Weighed, at: int, of: int) -> Markup:
    """A column for each count, beside those of the other network."""
    columns = []
    for left, right, count in zip(side.edges, side.edges[1:], side.counts, strict=False):
        start, stop, top = axes.x(left), axes.x(right), axes.y(count)
        width = 0.84 * (stop - start) / of
        title = f"{side.words}, {units.score(left)} to {units.score(right)}: {units.whole(count)}"
        columns.append(
            svg.element(
                "rect",
                svg.element("title", title),
                class_=f"column {side.network}",
                x=start + 0.08 * (stop - start) + at * width,
                y=top,
                width=width,
                height=axes.y.start - top,
            )
        )
    return svg.element("g", *columns)


def _counts_table(sides: Sequence[Weighed]) -> Table:
    rows = tuple(
        row(side.words, units.score(low), units.score(high), units.whole(count))
        for side in sides
        for low, high, count in zip(side.edges, side.edges[1:], side.counts, strict=False)
    )
    return Table("Data of this plot", ("Network", "Confidence from", "to", "How many"), rows, folded=True)
