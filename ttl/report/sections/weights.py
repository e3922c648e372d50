"""The network, and the weights that it began with."""

from __future__ import annotations

from ttl.report.blocks import Block, Facts, Listing, Prose, Section, facts
from ttl.report.reading import Report, items, mapping
from ttl.words import units
from ttl.words.estimate import number

INPUT_LABELS = {
    "image_size": "Input size, pixels",
    "interpolation": "Resized by",
    "mean": "Mean",
    "std": "Std",
}


def weights(report: Report) -> Section | None:
    """Which pretrained weights were loaded, which are missing and which were ignored."""
    model = mapping(report.raw, "model")
    if not model:
        return None
    loaded = mapping(model, "weights")
    missing = tuple(str(name) for name in items(loaded, "missing"))
    ignored = tuple(str(name) for name in items(loaded, "ignored"))
    pairs = (
        ("Network", report.model),
        ("Weights", units.plain(loaded.get("source"))),
        ("Tensors loaded", units.whole(number(loaded.get("loaded")))),
        ("Tensors missing (started at random)", str(len(missing))),
        ("Tensors in the file that fit nowhere (ignored)", str(len(ignored))),
    )
    blocks: list[Block] = [Prose(str(loaded["summary"]))] if loaded.get("summary") else []
    blocks.append(Facts(pairs))
    named = ((missing, "Names of the missing tensors"), (ignored, "Names of the ignored tensors"))
    blocks += [Listing(names, summary) for names, summary in named if names]
    blocks.append(facts(model, INPUT_LABELS, leave_out=("name", "weights")))
    return Section("weights", "The network and its weights", tuple(blocks))
