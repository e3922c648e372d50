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
    per_pixel, chance = report.task.kind.per_pixel, chance_level(report)
    lines = []
    for key, metric in METRICS.items():
        if metric.meaning and (key in OF_PIXELS) == per_pixel:
            guess = f" Guessing gets {units.score(chance)} on these test images."
            line = f"{metric.name[0].upper()}{metric.name[1:]}: {metric.meaning}"
            lines.append(line + (guess if key == "auprc" and math.isfinite(chance) else ""))
    of_classes = () if per_pixel else OF_CLASSES
    return Listing((*lines, *of_classes, *GENERAL, POINT[noun(report)]), summary="What the words mean")
