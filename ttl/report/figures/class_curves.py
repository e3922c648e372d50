"""ROC and precision-recall curves of the two networks, class by class."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ttl.report.figures import svg
from ttl.report.page_blocks import Cell, Figure, Table, amount, estimate_cell, interval_ends, row
from ttl.report.schema import RunReport
from ttl.report.schema.on_test import ClassRecord
from ttl.report.wording import Side, sides
from ttl.words import units
from ttl.words.estimate import Estimate

Record = Side[ClassRecord]
Line = tuple[Sequence[float], Sequence[float], Sequence[float]]
"""Along, up, and thresholds."""


@dataclass(frozen=True)
class CurveKind:
    """What tells the two kinds of plot apart; `marked` is where a probability from 0.5 on counts as positive."""

    name: str
    title: str
    x_title: str
    y_title: str
    metric: str
    meaning: str
    area: Callable[[ClassRecord], Estimate]
    line: Callable[[ClassRecord], Line]
    marked: Callable[[ClassRecord], tuple[float, float]]
    guessing: Callable[[ClassRecord], tuple[float, float]]


ROC = CurveKind(
    "roc",
    "ROC",
    "false positive rate",
    "sensitivity",
    "AUROC",
    "Up: the share of {name} images that is found. To the right: the share of the other images that is taken for it. "
    "Dotted: guessing.",
    lambda of: of.auroc,
    lambda of: (of.roc.false_positive_rate, of.roc.sensitivity, of.roc.threshold),
    lambda of: (1 - of.at_threshold.specificity.value, of.at_threshold.sensitivity.value),
    lambda of: (0.0, 1.0),
)
PRECISION_RECALL = CurveKind(
    "precision-recall",
    "Precision and recall",
    "recall (sensitivity)",
    "precision",
    "AUPRC",
    "Up: the share of the images called {name} that are. To the right: the share of {name} images that is found. "
    "Dotted: guessing.",
    lambda of: of.auprc,
    lambda of: (of.precision_recall.recall, of.precision_recall.precision, of.precision_recall.threshold),
    lambda of: (of.at_threshold.sensitivity.value, of.at_threshold.precision.value),
    lambda of: (units.share(of.positives, of.positives + of.negatives),) * 2,
)


def class_records(report: RunReport) -> dict[str, list[Record]]:
    """Class -> how each network tells it from the rest, the whole network first."""
    classes: dict[str, list[Record]] = {}
    if report.curves is not None:
        for side in sides(report, full=report.curves.full, chosen=report.curves.chosen):
            for record in side.of:
                classes.setdefault(record.name, []).append(Side(side.network, side.words, record))
    return classes


def curve_figure(place: int, name: str, kind: CurveKind, records: Sequence[Record]) -> Figure:
    """One plot of one class.

    Args:
        place: of the class on the page, which makes the plot's name unique.
        name: of the class.
        kind: `ROC` or `PRECISION_RECALL`.
        records: of the networks.
    """
    axes = svg.Axes.spanning((0.0, 1.0), (0.0, 1.0), size=svg.SQUARE)
    layers = [axes.frame(kind.x_title, kind.y_title, whole=False)]
    layers.append(axes.path((0.0, 1.0), kind.guessing(records[0].of), "guessing"))
    styles = {side.network: _line_class(side, records) for side in records}
    for side in records:
        xs, ys, _ = kind.line(side.of)
        layers.append(axes.path(*((xs, ys) if kind is ROC else stepped(xs, ys)), styles[side.network]))
    for side in records:
        x, y = kind.marked(side.of)
        if math.isfinite(y):
            label = f"{side.words}, {_at_half(kind, side.of)}"
            layers.append(axes.dot(x, y, f"kept {side.network}", label, square=side.network == "full"))
    title, plot_name = f"{kind.title}: {name}", f"{kind.name}-{place}"
    words = "; ".join(f"{side.words}: {_area(kind, side.of)}, {_at_half(kind, side.of)}" for side in records)
    rows = tuple(
        row(side.words, *(amount(value, units.significant) for value in (threshold, x, y)))
        for side in records
        for x, y, threshold in zip(*kind.line(side.of), strict=True)
    )
    columns = ("Network", "Called positive from", kind.x_title, kind.y_title)
    return Figure(
        plot_name,
        svg.plot(plot_name, title, f"{words}.", *layers, size=svg.SQUARE),
        f"{kind.meaning.format(name=name)} Marked: where a probability from 0.5 on counts as {name}.",
        tuple((f"line-key {styles[side.network]}", f"{side.words}: {_area(kind, side.of)}") for side in records),
        Table("Data of this plot", columns, rows, folded=True),
        title=title,
        half=True,
    )


def stepped(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """A precision-recall curve as average precision adds it up: up to each recall, the precision there."""
    before = [*xs[:1], *xs[:-1]]
    pairs = [((x0, y), (x, y)) for x0, x, y in zip(before, xs, ys, strict=True)]
    return [x for pair in pairs for x, _ in pair], [y for pair in pairs for _, y in pair]


def _line_class(side: Record, records: Sequence[Record]) -> str:
    """Of two networks the whole one is dashed: in print they are told apart by that."""
    return f"{side.network}{' dashed' if side.network == 'full' and len(records) > 1 else ''}"


def _at_half(kind: CurveKind, record: ClassRecord) -> str:
    x, y = map(units.score, kind.marked(record))
    return f"from probability 0.5 on: {kind.x_title} {x}, {kind.y_title} {y}"


def _area(kind: CurveKind, record: ClassRecord) -> str:
    area = kind.area(record)
    ends = f" ({units.score(area.ci_low)} to {units.score(area.ci_high)})" if area.has_interval else ""
    return f"{kind.metric} {units.score(area.value)}{ends}"


def classes_table(report: RunReport, classes: Mapping[str, Sequence[Record]]) -> Table:
    """AUROC and AUPRC of each class and network, and what happens at 0.5."""
    rows = tuple(
        row(
            _counted(side.of),
            side.words,
            estimate_cell(side.of.auroc, report.measure("auroc")),
            estimate_cell(side.of.auprc, report.measure("auprc")),
            *map(_share_cell, (at.sensitivity, at.specificity, at.precision)),
        )
        for records in classes.values()
        for side in records
        for at in (side.of.at_threshold,)
    )
    columns = ("Positive", "Network", "AUROC", "AUPRC", "Sensitivity", "Specificity", "Precision")
    is_grouped = report.curves is not None and report.curves.grouped
    alone = "; those of the three shares take images of one patient for independent" if is_grouped else ""
    caption = (
        "Test images. Sensitivity, specificity (the share of the other images that is left alone) and precision are "
        f"those where a probability from 0.5 on counts as positive. Smaller figures are 95% intervals{alone}."
    )
    return Table(caption, columns, rows, n_text=2)


def _counted(record: ClassRecord) -> Cell:
    note = f"{units.whole(record.positives)} of {units.whole(record.positives + record.negatives)} images"
    parts = (("positive images", float(record.positives)), ("other images", float(record.negatives)))
    return Cell(record.name, note, parts=parts)


def _share_cell(share: Estimate) -> Cell:
    """A share as a percentage, with its interval below it."""
    ends = f"{units.percent(share.ci_low)} to {units.percent(share.ci_high)}" if share.has_interval else ""
    return Cell(units.percent(share.value), ends, share.value, parts=interval_ends(share))


def words_at_half(side: Record) -> str:
    """What the network does where a probability from 0.5 on counts as positive."""
    at = side.of.at_threshold
    return (
        f"the {side.words} finds {units.percent(at.sensitivity.value)} of the {side.of.name} images and leaves "
        f"{units.percent(at.specificity.value)} of the others alone"
    )
