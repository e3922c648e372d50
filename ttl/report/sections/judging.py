"""How the networks tell the classes of the test images apart, where they err, and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttl.report.blocks import Block, Prose, Section
from ttl.report.figures.confusion import labels_table, matrices, matrix_block
from ttl.report.figures.judging import (
    PRECISION_RECALL,
    ROC,
    Judged,
    at_half,
    classes_table,
    curve_figure,
    judged_classes,
)
from ttl.report.figures.reliability import histogram_figure, reliability_figure, weighed
from ttl.report.reading import Report, mapping
from ttl.words import units
from ttl.words.estimate import number


def telling_apart(report: Report) -> Section | None:
    """ROC and precision-recall curves, and the table of the classes."""
    classes = judged_classes(report)
    if not classes:
        return None
    blocks: list[Block] = [Prose(_positive(report, classes))]
    for at, (name, sides) in enumerate(classes.items(), start=1):
        figures = (curve_figure(at, name, kind, sides) for kind in (ROC, PRECISION_RECALL))
        blocks += [figure for figure in figures if figure is not None]
    blocks.append(classes_table(report, classes))
    return Section("curves", "How well the classes are told apart", tuple(blocks))


def _positive(report: Report, classes: Mapping[str, Sequence[Judged]]) -> str:
    if report.kind == "binary":
        name, sides = next(iter(classes.items()))
        said = "; ".join(filter(None, map(at_half, sides)))
        at = f" Where a probability from 0.5 on counts as {name}, {said}." if said else ""
        return f"The positive class is {name}. All figures are of the test images.{at}"
    left_out = number(mapping(report.raw, "curves").get("left_out"))
    one = "Each label by itself" if report.kind == "multilabel" else "Each class against all others"
    text = f"{one}; all figures are of the test images."
    if left_out > 0:
        text += (
            f" Shown are the {len(classes)} with the most test images; left out: {units.whole(left_out)} "
            "with as many or fewer."
        )
    return text


def errors(report: Report) -> Section | None:
    """The confusion matrices; of several labels an image, a table."""
    found: list[Block]
    if report.kind == "multilabel":
        table = labels_table(report)
        found = [table] if table else []
    else:
        found = [matrix_block(report, network, counts) for network, counts in matrices(report).items()]
    return Section("errors", "What is taken for what", tuple(found)) if found else None


def trust(report: Report) -> Section | None:
    """Reliability and the histogram of the confidence."""
    sides = weighed(report)
    figures = [figure for figure in (reliability_figure(report, sides), histogram_figure(sides)) if figure]
    if not figures:
        return None
    text = (
        "Confidence is the probability that a network gives to what it says. A calibration error of 0 means that what "
        "is said with some probability comes true as often; lower is better."
    )
    return Section("trust", "How far its probabilities can be trusted", (Prose(text), *figures))
