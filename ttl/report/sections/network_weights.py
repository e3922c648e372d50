"""The network, and the weights that it began with."""

from __future__ import annotations

from ttl.report.page_blocks import Block, Cell, Facts, Listing, Prose, Section, amount, facts
from ttl.report.schema import RunReport

INPUT_LABELS = {"image_size": "Input size, pixels", "interpolation": "Resized by", "mean": "Mean", "std": "Std"}


def network_weights(report: RunReport) -> Section:
    """Which pretrained weights were loaded, which are missing and which were ignored."""
    weights = report.model.weights
    pairs = (
        ("Network", Cell(report.model.name)),
        ("Weights", Cell(weights.source)),
        ("Tensors loaded", amount(weights.loaded)),
        ("Tensors missing (started at random)", Cell(str(len(weights.missing)))),
        ("Tensors in the file that fit nowhere (ignored)", Cell(str(len(weights.ignored)))),
    )
    named = ((weights.missing, "Names of the missing tensors"), (weights.ignored, "Names of the ignored tensors"))
    blocks: list[Block] = [Prose(weights.summary), Facts(pairs)]
    blocks += [Listing(names, summary) for names, summary in named if names]
    return Section("weights", "The network and its weights", (*blocks, Facts(facts(report.model, INPUT_LABELS))))
