"""How the networks tell the classes of the test images apart, where they err, and how far they can be trusted."""

from __future__ import annotations

from ttl.report.figures import class_curves as curves
from ttl.report.figures.confusion_matrix import confusion_blocks
from ttl.report.figures.reliability import reliability_figures
from ttl.report.page_blocks import Block, Prose, Section
from ttl.report.schema import RunReport
from ttl.words import units


def class_curves(report: RunReport) -> Section | None:
    """ROC and precision-recall curves, and the table of the classes."""
    classes = curves.class_records(report)
    if not classes:
        return None
    name, records = next(iter(classes.items()))
    if report.task.kind == "binary":
        at_half = "; ".join(map(curves.words_at_half, records))
        words = (
            f"The positive class is {name}. All figures are of the test images. Where a probability from 0.5 on counts "
            f"as {name}, {at_half}."
        )
    else:
        one = "Each class against all others" if report.task.kind.one_class_each else "Each label by itself"
        words = f"{one}; all figures are of the test images."
    if report.task.kind != "binary" and report.curves and (left_out := report.curves.left_out):
        words += (
            f" Shown are the {len(classes)} with the most test images; left out: {units.whole(left_out)} with as many "
            "or fewer."
        )
    blocks: list[Block] = [Prose(words)]
    for at, (name, records) in enumerate(classes.items(), start=1):
        blocks += [curves.curve_figure(at, name, kind, records) for kind in (curves.ROC, curves.PRECISION_RECALL)]
    return Section("curves", "How well the classes are told apart", (*blocks, curves.classes_table(report, classes)))


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
