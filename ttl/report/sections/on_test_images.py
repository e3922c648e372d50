"""How the networks tell the classes of the test images apart, where they err, and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttl.report.figures.class_curves import (
    PRECISION_RECALL,
    ROC,
    Record,
    class_records,
    classes_table,
    curve_figure,
    words_at_half,
)
from ttl.report.figures.confusion_matrix import confusion_blocks
from ttl.report.figures.reliability import reliability_figures
from ttl.report.page_blocks import Block, Prose, Section
from ttl.report.schema import RunReport
from ttl.words import units


def class_curves(report: RunReport) -> Section | None:
    """ROC and precision-recall curves, and the table of the classes."""
    classes = class_records(report)
    if not classes:
        return None
    blocks: list[Block] = [Prose(_introduction(report, classes))]
    for at, (name, records) in enumerate(classes.items(), start=1):
        blocks += [curve_figure(at, name, kind, records) for kind in (ROC, PRECISION_RECALL)]
    blocks.append(classes_table(report, classes))
    return Section("curves", "How well the classes are told apart", tuple(blocks))


def _introduction(report: RunReport, classes: Mapping[str, Sequence[Record]]) -> str:
    if report.task.kind == "binary":
        name, records = next(iter(classes.items()))
        at_half = f" Where a probability from 0.5 on counts as {name}, {'; '.join(map(words_at_half, records))}."
        return f"The positive class is {name}. All figures are of the test images.{at_half}"
    one = "Each class against all others" if report.task.kind.one_class_each else "Each label by itself"
    left_out = report.curves.left_out if report.curves else 0
    few = (
        f" Shown are the {len(classes)} with the most test images; left out: {units.whole(left_out)} with as many or "
        "fewer."
    )
    return f"{one}; all figures are of the test images.{few if left_out else ''}"


def confusion(report: RunReport) -> Section | None:
    """The confusion matrices."""
    blocks = confusion_blocks(report)
    return Section("errors", "What is taken for what", tuple(blocks)) if blocks else None


def confidence(report: RunReport) -> Section | None:
    """Reliability and the histogram of the confidence."""
    figures = reliability_figures(report)
    text = (
        "Confidence is the probability that a network gives to what it says. A calibration error of 0 means that what "
        "is said with some probability comes true as often; lower is better."
    )
    return Section("trust", "How far its probabilities can be trusted", (Prose(text), *figures)) if figures else None
