"""What the network began with, and everything else that is needed to do it again."""

from __future__ import annotations

from ttl.report.page_blocks import Block, Cell, Code, Facts, Listing, Prose, Section, amount, facts
from ttl.report.schema import RunReport
from ttl.typed import to_json

INPUT_LABELS = {"image_size": "Input size, pixels", "interpolation": "Resized by", "mean": "Mean", "std": "Std"}
RUN_LABELS = {"seed": "Seed", "started": "Started"} | {
    key: key for key in ("schema", "config", "resolved", "data", "weights")
}


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


def reproduction(report: RunReport) -> Section:
    """Command, options, seed, versions and hardware."""
    run = report.run
    tables = (("Versions", run.versions), ("Hardware", to_json(run.hardware)))
    machine = (Facts(facts(of, {key: key.replace("_", " ") for key in of}), title) for title, of in tables)
    return Section("again", "To do it again", (Code(run.command), Facts(facts(run, RUN_LABELS)), *machine))
