"""What the figures stand on: the data and the weights."""

from __future__ import annotations

import math

from ttl.report import units
from ttl.report.blocks import Block, Facts, Listing, Prose, Row, Section, Table, facts, row
from ttl.report.estimate import number
from ttl.report.reading import SEVERAL_CLASSES, Report, items, mapping

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
