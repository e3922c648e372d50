"""What the words of the page mean."""

from __future__ import annotations

import math

from ttl.report.headline import chance_level
from ttl.report.page_blocks import Listing
from ttl.report.schema import RunReport
from ttl.report.wording import noun
from ttl.words import units
from ttl.words.metric import METRICS

OF_PIXELS = ("dice", "jaccard", "dice_pooled", "jaccard_pooled", "hd95")
GENERAL = (
    "95% interval: the range of values that fit the images at hand; other images of the same kind could"
    " give any of them. Where that of a difference holds 0, the images don't tell the two apart.",
    "Parameters and MACs: the numbers a network holds, and the multiply-adds that one image costs.",
)
OF_CLASSES = (
    "Sensitivity (recall): the share of the positive images that is found. Specificity: the share of the others that is"
    " left alone. Precision: the share of the images called positive that are.",
)
POINT = {
    "network": "Truncation point (cut): the block after which the pretrained network ends; a small head follows it.",
    "U-Net": "Truncation point (cut): the block after which the pretrained encoder ends; the decoder is shortened with"
    " it and begins there.",
}
"""By what is cut."""


def glossary(report: RunReport) -> Listing:
    """The metrics of the task's kind, and the other words."""
    keys = [key for key in METRICS if (key in OF_PIXELS) == report.task.kind.per_pixel and METRICS[key].meaning]
    of_classes = () if report.task.kind.per_pixel else OF_CLASSES
    lines = (*(_line(report, key) for key in keys), *of_classes, *GENERAL, POINT[noun(report)])
    return Listing(lines, summary="What the words mean")


def _line(report: RunReport, key: str) -> str:
    chance = chance_level(report) if key == "auprc" else math.nan
    guess = f" Guessing gets {units.score(chance)} on these test images." if math.isfinite(chance) else ""
    name = METRICS[key].name
    return f"{name[0].upper()}{name[1:]}: {METRICS[key].meaning}{guess}"
