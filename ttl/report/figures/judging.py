"""ROC and precision-recall curves of the two networks, class by class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ttl.report.blocks import Cell, Figure, Table, ends, estimate_cell, row
from ttl.report.figures import svg
from ttl.report.reading import Report, items, mapping, records
from ttl.words import units
from ttl.words.estimate import Estimate, number


@dataclass(frozen=True)
class Judged:
    """How one network tells one class from the rest; a number is `nan` where the report has none.

    Attributes:
        network: `chosen` or `full`: also the CSS class of its line.
        words: what it is called.
        roc: false positive rates, sensitivities and thresholds.
        precision_recall: recalls, precisions and thresholds.
    """

    network: str
    words: str
    name: str
    positives: float
    negatives: float
    auroc: Estimate
    auprc: Estimate
    roc: tuple[tuple[float, ...], ...]
    precision_recall: tuple[tuple[float, ...], ...]
    sensitivity: Estimate
    specificity: Estimate
    precision: Estimate

    @classmethod
    def read(cls, network: str, words: str, value: Mapping[str, Any]) -> Judged:
        """From one entry of `chosen` or `full` of `curves`."""
        at = mapping(value, "at_threshold")
        return cls(
            network=network,
            words=words,
            name=str(value.get("class", "?")),
            positives=number(value.get("positives")),
            negatives=number(value.get("negatives")),
            auroc=Estimate.read(mapping(value, "auroc")),
            auprc=Estimate.read(mapping(value, "auprc")),
            roc=_line(mapping(value, "roc"), "false_positive_rate", "sensitivity"),
            precision_recall=_line(mapping(value, "precision_recall"), "recall", "precision"),
            sensitivity=Estimate.read(mapping(at, "sensitivity")),
            specificity=Estimate.read(mapping(at, "specificity")),
            precision=Estimate.read(mapping(at, "precision")),
        )


@dataclass(frozen=True)
class Kind:
    """What tells the two kinds of plot apart."""

    key: str
    title: str
    x_title: str
    y_title: str
    area: str
    metric: str
    meaning: str


ROC = Kind(
    "roc",
    "ROC",
    "false positive rate",
    "sensitivity",
    "auroc",
    "AUROC",
    "Up: the share of {name} images that is found. To the right: the share of the other images that is taken for it. "
    "Dotted: guessing.",
)
PRECISION_RECALL = Kind(
    "precision_recall",
    "Precision and recall",
    "recall (sensitivity)",
    "precision",
    "auprc",
    "AUPRC",
    "Up: the share of the images called {name} that are. To the right: the share of {name} images that is found. "
    "Dotted: guessing.",
)


def _line(value: Mapping[str, Any], *keys: str) -> tuple[tuple[float, ...], ...]:
    """The coordinates and thresholds, as long as the shortest of them."""
    found = [tuple(map(number, items(value, key))) for key in (*keys, "threshold")]
    length = min(map(len, found))
    return tuple(values[:length] for values in found)


def judged_classes(report: Report) -> dict[str, list[Judged]]:
    """Class -> how each network tells it, the whole network first."""
    found: dict[str, list[Judged]] = {}
    for network, words in report.networks.items():
        for value in records(mapping(report.raw, "curves"), network):
            known = Judged.read(network, words, value)
            found.setdefault(known.name, []).append(known)
    return found


def curve_figure(place: int, name: str, kind: Kind, sides: Sequence[Judged]) -> Figure | None:
    """One plot of one class; None where there is no curve.

    Args:
        place: of the class on the page, which makes the plot's name unique.
        name: of the class.
        kind: `ROC` or `PRECISION_RECALL`.
        sides: the networks.
    """
    lines = {side.network: getattr(side, kind.key) for side in sides}
    drawn = [side for side in sides if any(map(math.isfinite, lines[side.network][0]))]
    if not drawn:
        return None
    axes = svg.Axes.spanning((0.0, 1.0), (0.0, 1.0), size=svg.SQUARE)
    layers = [axes.frame(kind.x_title, kind.y_title, whole=False), _guessing(axes, kind, drawn[0])]
    for side in drawn:
        xs, ys, _ = lines[side.network]
        along, up = (xs, ys) if kind is ROC else stepped(xs, ys)
        layers.append(axes.path(along, up, _line_class(side, drawn)))
    layers += [_at_threshold(axes, kind, side) for side in drawn if math.isfinite(_operating(kind, side)[1])]
    title = f"{kind.title}: {name}"
    said = "; ".join(f"{side.words}: {_area(kind, side)}, {_at_words(kind, side)}" for side in drawn)
    plot_name = f"{kind.key.replace('_', '-')}-{place}"
    meaning = kind.meaning.format(name=name)
    return Figure(
        plot_name,
        svg.plot(plot_name, title, f"{said}.", *layers, size=svg.SQUARE),
        f"{meaning} Marked: where a probability from 0.5 on counts as {name}.",
        tuple((f"line-key {_line_class(side, drawn)}", f"{side.words}: {_area(kind, side)}") for side in drawn),
        _points(kind, drawn),
        title=title,
        half=True,
    )


def stepped(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """A precision-recall curve as average precision adds it up: up to each recall, the precision there."""
    before = [xs[0], *xs[:-1]]
    pairs = [((x0, y), (x, y)) for x0, x, y in zip(before, xs, ys, strict=True)]
    return [x for pair in pairs for x, _ in pair], [y for pair in pairs for _, y in pair]


def _guessing(axes: svg.Axes, kind: Kind, side: Judged) -> str:
    share = units.share(side.positives, side.positives + side.negatives)
    level = (0.0, 1.0) if kind is ROC else (share, share)
    return axes.path((0.0, 1.0), level, "guessing")


def _line_class(side: Judged, drawn: Sequence[Judged]) -> str:
    """Of two networks the whole one is dashed: in print they are told apart by that."""
    return f"{side.network}{' dashed' if side.network == 'full' and len(drawn) > 1 else ''}"


def _operating(kind: Kind, side: Judged) -> tuple[float, float]:
    if kind is ROC:
        return 1 - side.specificity.value, side.sensitivity.value
    return side.sensitivity.value, side.precision.value


def _at_threshold(axes: svg.Axes, kind: Kind, side: Judged) -> str:
    label = f"{side.words}, {_at_words(kind, side)}"
    square = side.network == "full"
    return axes.dot(*_operating(kind, side), f"kept {side.network}", label, square=square)


def _at_words(kind: Kind, side: Judged) -> str:
    x, y = map(units.score, _operating(kind, side))
    return f"from probability 0.5 on: {kind.x_title} {x}, {kind.y_title} {y}"


def _area(kind: Kind, side: Judged) -> str:
    estimate: Estimate = getattr(side, kind.area)
    if not estimate.known:
        return kind.metric
    interval = f" ({units.score(estimate.low)} to {units.score(estimate.high)})" if estimate.has_interval else ""
    return f"{kind.metric} {units.score(estimate.value)}{interval}"


def _points(kind: Kind, sides: Sequence[Judged]) -> Table:
    rows = tuple(
        row(side.words, *map(units.significant, (threshold, x, y)))
        for side in sides
        for x, y, threshold in zip(*getattr(side, kind.key), strict=True)
    )
    columns = ("Network", "Called positive from", kind.x_title, kind.y_title)
    return Table("Data of this plot", columns, rows, folded=True)


def classes_table(report: Report, classes: Mapping[str, Sequence[Judged]]) -> Table:
    """AUROC and AUPRC of each class and network, and what happens at 0.5."""
    rows = tuple(
        row(
            _counted(side),
            side.words,
            estimate_cell(side.auroc, report.measure("auroc")),
            estimate_cell(side.auprc, report.measure("auprc")),
            *(_share_cell(share) for share in (side.sensitivity, side.specificity, side.precision)),
        )
        for sides in classes.values()
        for side in sides
    )
    areas = ("AUROC", "AUPRC")
    shares = ("Sensitivity", "Specificity", "Precision")
    columns = ("Positive", "Network", *areas, *shares)
    grouped = mapping(report.raw, "curves").get("grouped")
    alone = "; those of the three shares take images of one patient for independent" if grouped else ""
    caption = (
        "Test images. Sensitivity, specificity (the share of the other images that is left alone) and precision are "
        f"those where a probability from 0.5 on counts as positive. Smaller figures are 95% intervals{alone}."
    )
    return Table(caption, columns, rows, n_text=2)


def _counted(side: Judged) -> Cell:
    total = side.positives + side.negatives
    if not math.isfinite(total):
        return Cell(side.name)
    note = f"{units.whole(side.positives)} of {units.whole(total)} images"
    return Cell(side.name, note, parts=(("positive images", side.positives), ("other images", side.negatives)))


def _share_cell(share: Estimate) -> Cell:
    """A share as a percentage, with its interval below it."""
    if not share.has_interval:
        return Cell(units.percent(share.value))
    return Cell(
        units.percent(share.value), f"{units.percent(share.low)} to {units.percent(share.high)}", parts=ends(share)
    )


def at_half(side: Judged) -> str:
    """What the network does where a probability from 0.5 on counts as positive; nothing where it isn't known."""
    found, alone = side.sensitivity.value, side.specificity.value
    if not (math.isfinite(found) and math.isfinite(alone)):
        return ""
    return (
        f"the {side.words} finds {units.percent(found)} of the {side.name} images and leaves {units.percent(alone)} of "
        "the others alone"
    )
