"""ROC and precision-recall curves of the two networks, class by class."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ttl.report.cells import Cell, amount, estimate_cell, share_cell
from ttl.report.figures import svg
from ttl.report.page_blocks import PLOTTED, Block, Figure, Prose, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.on_test import ClassRecord, OperatingPoint
from ttl.report.wording import Side, sides, tested_units, with_interval
from ttl.words import units
from ttl.words.estimate import Estimate
from ttl.words.metric import METRICS, Metric
from ttl.words.text import capitalised

Record = Side[ClassRecord]


@dataclass(frozen=True)
class CurveKind:
    """What tells the two kinds of plot apart; `marked` is where a network's rule decides."""

    name: str
    title: str
    x_title: str
    y_title: str
    metric: Metric
    meaning: str
    area: Callable[[ClassRecord], Estimate]
    line: Callable[[ClassRecord], tuple[Sequence[float], Sequence[float], Sequence[float]]]
    """Along, up, and thresholds."""
    marked: Callable[[OperatingPoint], tuple[float, float]]
    guessing: Callable[[ClassRecord], tuple[float, float]]


ROC = CurveKind(
    "roc",
    "ROC",
    "false positive rate",
    "sensitivity",
    METRICS["auroc"],
    "Up: the share of {name} images that is found. To the right: the share of the other images that is taken for it. "
    "Dotted: guessing.",
    lambda of: of.auroc,
    lambda of: (of.roc.false_positive_rate, of.roc.sensitivity, of.roc.threshold),
    lambda at: (1 - at.specificity.value, at.sensitivity.value),
    lambda of: (0.0, 1.0),
)
PRECISION_RECALL = CurveKind(
    "precision-recall",
    "Precision and recall",
    "recall (sensitivity)",
    "precision",
    METRICS["auprc"],
    "Up: the share of the images called {name} that are. To the right: the share of {name} images that is found. "
    "Dotted: guessing.",
    lambda of: of.auprc,
    lambda of: (of.precision_recall.recall, of.precision_recall.precision, of.precision_recall.threshold),
    lambda at: (at.sensitivity.value, at.precision.value),
    lambda of: (units.share(of.positives, of.positives + of.negatives),) * 2,
)


def class_curves(report: RunReport) -> Section | None:
    """ROC and precision-recall curves, and the table of the classes; None where there are none."""
    classes = _class_records(report)
    if not classes:
        return None
    blocks: list[Block] = [Prose(_introduction(report, classes))]
    for at, (name, records) in enumerate(classes.items(), start=1):
        blocks += [_curve_figure(report, at, name, kind, records) for kind in (ROC, PRECISION_RECALL)]
    return Section("curves", "How well the classes are told apart", (*blocks, _classes_table(report, classes)))


def _introduction(report: RunReport, classes: Mapping[str, Sequence[Record]]) -> str:
    tested = tested_units(report)
    if report.task.kind == "binary":
        name, records = next(iter(classes.items()))
        shares = []
        for side in records:
            if (at := side.of.at_threshold) is None:
                continue
            found, spared = units.percent(at.sensitivity.value), units.percent(at.specificity.value)
            of_others = f"leaves {spared} of the others alone"
            shares.append(f"the {side.words}, {_where(report, side.of)}, finds {found} of {name} and {of_others}")
        listed = "; ".join(shares)
        decided = f" {capitalised(listed)}." if shares else ""
        return f"The positive class is {name}. All figures are of the {tested}.{decided}"
    one = "Each class against all others" if report.task.kind.one_class_each else "Each label by itself"
    left_out, drawn = report.curves.left_out if report.curves else 0, set(classes) & set(report.task.class_names)
    few = (
        f" Shown are the {len(drawn)} with the most {tested}; left out: {units.whole(left_out)} with as many or fewer."
    )
    finding = next((name for name in classes if name not in drawn), "")
    first = f" First the finding that is decided on, {finding}, against the rest." if finding else ""
    return f"{one}; all figures are of the {tested}.{first}{few if left_out else ''}"


def _where(report: RunReport, of: ClassRecord) -> str:
    """Where a network decides on a class."""
    older = report.curves.threshold if report.curves else None
    threshold = older if of.threshold is None else of.threshold
    if threshold is None:
        return "where the most probable class is taken"
    return f"from probability {units.significant(threshold)} on"


def _class_records(report: RunReport) -> dict[str, list[Record]]:
    """Class -> how each network tells it from the rest, the whole network first."""
    classes: dict[str, list[Record]] = {}
    if report.curves is not None:
        for side in sides(report, full=report.curves.full, chosen=report.curves.chosen):
            for record in side.of:
                classes.setdefault(record.name, []).append(Side(side.network, side.words, record))
    return classes


def _curve_figure(report: RunReport, place: int, name: str, kind: CurveKind, records: Sequence[Record]) -> Figure:
    """One plot of one class: the `place`-th on the page, called `name`."""
    axes = svg.Axes.spanning((0.0, 1.0), (0.0, 1.0), size=svg.SQUARE)
    lines, marks = [axes.path((0.0, 1.0), kind.guessing(records[0].of), "guessing")], []
    described, key, rows, places = [], [], [], []
    for side in records:
        # Of two networks the whole one is dashed: in print they are told apart by that.
        style = f"{side.network} dashed" if side.network == "full" and len(records) > 1 else side.network
        xs, ys, thresholds = kind.line(side.of)
        lines.append(axes.path(*((xs, ys) if kind is ROC else stepped(xs, ys)), style))
        area_words = f"{side.words}: {kind.metric.name} {with_interval(kind.metric, kind.area(side.of))}"
        key.append((f"line-key {style}", area_words))
        if side.of.at_threshold is not None:
            x, y = kind.marked(side.of.at_threshold)
            where = _where(report, side.of)
            decided = f"{where}: {kind.x_title} {units.score(x)}, {kind.y_title} {units.score(y)}"
            area_words += f", {decided}"
            places.append(f"{side.words} {where}")
            if math.isfinite(y):
                label, is_square = f"{side.words}, {decided}", side.network == "full"
                marks.append(axes.dot(x, y, f"kept {side.network}", label, square=is_square))
        described.append(area_words)
        for point in zip(thresholds, xs, ys, strict=True):
            rows.append(row(side.words, *(amount(value, units.significant) for value in point)))
    title, plot_name, titles = f"{kind.title}: {name}", f"{kind.name}-{place}", (kind.x_title, kind.y_title)
    picture = axes.plot(plot_name, (title, f"{'; '.join(described)}."), titles, *lines, *marks, whole=False)
    marked = f" Marked is where each decides: {', '.join(places)}." if places else ""
    caption = f"{kind.meaning.format(name=name)}{marked}"
    data = Table(PLOTTED, ("Network", "Called positive from", *titles), tuple(rows), folded=True)
    return Figure(plot_name, picture, caption, tuple(key), data, title=title, half=True)


def stepped(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """A precision-recall curve as average precision adds it up: up to each recall, the precision there."""
    before = [*xs[:1], *xs[:-1]]
    return [x for pair in zip(before, xs, strict=True) for x in pair], [y for y in ys for _ in range(2)]


def _classes_table(report: RunReport, classes: Mapping[str, Sequence[Record]]) -> Table:
    """AUROC and AUPRC of each class and network, and what its rule does."""
    rows = []
    for side in (side for records in classes.values() for side in records):
        of, at = side.of, side.of.at_threshold
        areas = estimate_cell(of.auroc, report.measure("auroc")), estimate_cell(of.auprc, report.measure("auprc"))
        note = f"{units.whole(of.positives)} of {units.whole(of.positives + of.negatives)}"
        parts = (("positive", float(of.positives)), ("others", float(of.negatives)))
        decided = (at.sensitivity, at.specificity, at.precision) if at else (None,) * 3
        shares = map(share_cell, decided)
        rows.append(
            row(Cell(of.name, note, parts=parts), Cell(side.words, _where(report, of) if at else ""), *areas, *shares)
        )
    older = report.curves is not None and report.curves.grouped and report.curves.threshold is not None
    alone = "; those of the three shares take images of one patient for independent" if older else ""
    caption = (
        f"{tested_units(report).capitalize()}. Sensitivity, specificity (the share of the others that is left alone) "
        f"and precision are those where each network decides. Smaller figures are 95% intervals{alone}."
    )
    columns = ("Positive", "Network", "AUROC", "AUPRC", "Sensitivity", "Specificity", "Precision")
    return Table(caption, columns, tuple(rows), n_text=2)
