"""What the figures stand on: the data, the weights, the exported files and how they were timed."""

from __future__ import annotations

import math

from ttl.report import units
from ttl.report.blocks import Block, Facts, Listing, Prose, Row, Section, Table, facts, row
from ttl.report.estimate import number
from ttl.report.reading import SEVERAL_CLASSES, Report, items, mapping
from ttl.report.sections.choice import ratio_cell

TASK_LABELS = {
    "kind": "Kind",
    "image_sizes": "Image sizes",
    "distance_unit": "Distances in",
    "fingerprint": "Fingerprint (SHA-256)",
}
SHOWN_AS_TABLE = ("name", "class_names", "counts", "split_images", "pixel_share", "notes")
INPUT_LABELS = {
    "image_size": "Input size, pixels",
    "interpolation": "Resized by",
    "mean": "Mean",
    "std": "Std",
}
EXPORT_LABELS = {
    "path": "File",
    "precision": "Precision",
    "opset": "Opset",
    "parity_max_abs": "Largest difference from PyTorch",
    "parity_metric_delta": "Metric recomputed from the ONNX file, less PyTorch's",
    "full_path": "Whole network, for comparison",
}


def data(report: Report) -> Section | None:
    """Images per class and split, what the loader noted, and the fingerprint."""
    task = mapping(report.raw, "task")
    if not task:
        return None
    blocks: list[Block] = []
    if mapping(task, "counts"):
        blocks.append(_counts_table(report))
    notes = tuple(str(note) for note in items(task, "notes"))
    if notes:
        blocks.append(Listing(notes))
    blocks.append(facts(task, TASK_LABELS, leave_out=SHOWN_AS_TABLE))
    return Section("data", f"The data: {report.task}" if report.task else "The data", tuple(blocks))


def _counts_table(report: Report) -> Table:
    counts = mapping(mapping(report.raw, "task"), "counts")
    splits = {split: mapping(counts, split) for split in counts}
    found = (name for classes in splits.values() for name in classes)
    names = tuple(dict.fromkeys((*report.class_names, *found)))
    pixels = mapping(mapping(report.raw, "task"), "pixel_share")
    rows = [
        row(
            name,
            *_with_total([number(classes.get(name, 0)) for classes in splits.values()]),
            *((units.percent(number(pixels.get(name))),) if pixels else ()),
        )
        for name in names
    ]
    columns = ("Class", *splits, "all", *(("Share of pixels",) if pixels else ()))
    return Table(_counted(report, bool(pixels)), columns, (*rows, *_totals(report, tuple(splits), bool(pixels))))


def _counted(report: Report, pixels: bool) -> str:
    if report.kind not in SEVERAL_CLASSES:
        return "Images per class and split"
    share = ", and its share of the labelled pixels" if pixels else ""
    return f"In how many images each class occurs, by split{share}. An image may hold several."


def _totals(report: Report, splits: tuple[str, ...], pixels: bool) -> tuple[Row, ...]:
    """The number of images; nothing where only the classes were counted, of which an image may hold several."""
    images = [report.images(split) for split in splits]
    if not all(map(math.isfinite, images)):
        return ()
    name = "images" if report.kind in SEVERAL_CLASSES else "all"
    return (row(name, *_with_total(images), *(("",) if pixels else ()), mark="total"),)


def _with_total(amounts: list[float]) -> list[str]:
    return [units.whole(amount) for amount in (*amounts, sum(amounts))]


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


def export_checks(report: Report) -> Section | None:
    """What was checked on the exported files."""
    export = mapping(report.raw, "export")
    if not export:
        return None
    sizes = ("size_bytes", "full_size_bytes")
    checks = facts(export, EXPORT_LABELS, leave_out=sizes)
    shown = [("File size", "size_bytes"), ("File size, whole network", "full_size_bytes")]
    pairs = tuple((label, units.size(number(export[key]))) for label, key in shown if key in export)
    return Section("export", "Checks of the exported file", (Facts(checks.pairs + pairs),))


def latency(report: Report) -> Section | None:
    """Every timing, and the sentence on what the ratio means."""
    if not report.latency:
        return None
    rows = tuple(
        row(
            timing.model,
            timing.runtime,
            timing.device,
            units.whole(timing.batch),
            units.whole(timing.threads),
            units.milliseconds(timing.p50_ms),
            units.milliseconds(timing.p90_ms),
            units.whole(timing.runs),
            "reference" if timing.is_full else ratio_cell(timing.ratio),
        )
        for timing in report.latency
    )
    columns = ("Model", "Runtime", "Device", "Batch", "Threads", "p50", "p90", "Runs", "Time against whole")
    caption = (
        "Time per batch. The last column is the time divided by the whole network's, with its 95% interval: "
        "below 1 is faster; where the interval holds 1.0 there is no measurable speed-up."
    )
    return Section("latency", "Latency", (Table(caption, columns, rows, n_text=3),))
