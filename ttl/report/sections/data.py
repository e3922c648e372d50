"""What the figures stand on: the images, how they were split, and what was checked of that."""

from __future__ import annotations

import math

from ttl.report.blocks import Block, Facts, Listing, Prose, Row, Section, Table, facts, row
from ttl.report.reading import SEVERAL_CLASSES, Report, items, mapping, records
from ttl.report.split import patients, split_sentence
from ttl.words import units
from ttl.words.estimate import number

TASK_LABELS = {
    "kind": "Kind",
    "images": "Images",
    "channels": "Channels",
    "width_px": "Width, pixels",
    "height_px": "Height, pixels",
    "image_sizes": "Image sizes",
    "distance_unit": "Distances in",
    "fingerprint": "Fingerprint (SHA-256)",
}
SHOWN_ELSEWHERE = (
    "name", "class_names", "counts", "split_images", "pixel_share", "notes", "groups", "groups_shared", "duplicates",
)  # fmt: skip


def data(report: Report) -> Section | None:
    """Images (and patients) per class and split, patients shared, duplicates found, notes and the fingerprint."""
    task = mapping(report.raw, "task")
    if not task:
        return None
    blocks: list[Block] = []
    if mapping(task, "counts"):
        blocks.append(_counts_table(report))
    if sentence := split_sentence(report):
        blocks.append(Prose(sentence))
    blocks += _duplicates(report)
    notes = tuple(str(note) for note in items(task, "notes"))
    if notes:
        blocks.append(Listing(notes))
    blocks.append(facts(task, TASK_LABELS, leave_out=SHOWN_ELSEWHERE))
    return Section(
        "data", f"The data and the split: {report.task}" if report.task else "The data and the split", tuple(blocks)
    )


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


def _duplicates(report: Report) -> list[Block]:
    """What the leak check found; nothing where nobody looked, or the report doesn't tell."""
    found = mapping(mapping(report.raw, "task"), "duplicates")
    pairs = number(found.get("pairs"))
    if math.isnan(pairs):
        return []
    if pairs == 0:
        return [Prose("Duplicates across the splits: none found, neither byte for byte nor saved anew.")]
    counted = Facts(
        (
            ("Images of a later split that an earlier one has too", units.whole(number(found.get("images")))),
            ("Pairs of such images", units.whole(pairs)),
            ("of them byte for byte the same", units.whole(number(found.get("identical")))),
        ),
        "Duplicates across the splits",
    )
    rows = tuple(
        row(*(str(pair.get(key, "?")) for key in ("a", "a_split", "b", "b_split", "kind")))
        for pair in records(found, "first")
    )
    columns = ("Image", "in split", "is also", "in split", "how")
    first = Table(f"The first {len(rows)} pairs of duplicates", columns, rows, n_text=5, folded=True)
    return [counted, *((first,) if rows else ())]


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
    of_patients = patients(report)
    known = of_patients and all(math.isfinite(of_patients.get(split, math.nan)) for split in splits)
    more = [("patients", [of_patients[split] for split in splits])] if known else []
    return tuple(
        row(name, *_with_total(amounts), *(("",) if pixels else ()), mark="total")
        for name, amounts in ((name, images), *more)
    )


def _with_total(amounts: list[float]) -> list[str]:
    return [units.whole(amount) for amount in (*amounts, sum(amounts))]
