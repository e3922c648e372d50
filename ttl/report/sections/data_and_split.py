"""What the figures stand on: the images, how they were split, and what was checked of that."""

from __future__ import annotations

from ttl.data.describe import Duplicates
from ttl.report.cells import Cell, amount, facts
from ttl.report.page_blocks import Block, Facts, Listing, Prose, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.wording import duplicates_are_grouped, known_of_some, patients
from ttl.words import units

LABELS = {
    "kind": "Kind",
    "images": "Images",
    "channels": "Channels",
    "width_px": "Width, pixels",
    "height_px": "Height, pixels",
}
FINGERPRINT = {"fingerprint": "Fingerprint (SHA-256)"}
LABELS_OF_MASKS = LABELS | {"distance_unit": "Distances in"} | FINGERPRINT | {"unlabelled_share": "unlabelled share"}


def data_and_split(report: RunReport) -> Section:
    """Images (and patients) per class and split, patients shared, duplicates, notes and the fingerprint."""
    task = report.task
    blocks: list[Block] = [_counts_table(report), Prose(_patients_apart(report))]
    if task.duplicates:
        blocks += _duplicates(task.duplicates)
    if task.notes:
        blocks.append(Listing(task.notes))
    blocks.append(Facts(facts(task, LABELS_OF_MASKS if task.kind.per_pixel else LABELS | FINGERPRINT)))
    return Section("data", f"The data and the split: {task.name}", tuple(blocks))


def _patients_apart(report: RunReport) -> str:
    counted, shared = patients(report), report.task.groups_shared
    if known := known_of_some(report):
        return (
            f"The patients of {units.whole(known)} of {units.whole(report.task.images)} images are known; each other "
            "image counts as a patient of its own, so that some patients may be in several splits."
        )
    if counted and shared is not None:
        if shared == 0:
            return f"No patient is in two splits (checked: {units.whole(sum(counted.values()))} patients)."
        return f"{units.whole(shared)} of the patients are in more than one split: the figures are too good by that."
    if duplicates_are_grouped(report):
        return "Images that show the same, and those of one patient where known, were kept in one split."
    return (
        "Patients are not known: images of one patient may be in several splits. A manifest with a column of patients "
        "(--group-column) keeps each of them in one."
    )


def _counts_table(report: RunReport) -> Table:
    task, pixels = report.task, report.task.pixel_share or {}
    rows = []
    for name in task.class_names:
        share = (amount(pixels.get(name), units.percent),) if pixels else ()
        rows.append(row(name, *_with_total([classes[name] for classes in task.counts.values()]), *share))
    # An image that may hold several classes is counted in each of them.
    totals = {"all" if task.kind.one_class_each else "images": task.split_images}
    if of_patients := patients(report):
        totals["patients"] = of_patients
    for name, by_split in totals.items():
        amounts = _with_total([by_split[split] for split in task.counts])
        rows.append(row(name, *amounts, *(("",) if pixels else ()), mark="total"))
    columns = ("Class", *task.counts, "all", *(("Share of pixels",) if pixels else ()))
    of_pixels = ", and its share of the labelled pixels" if pixels else ""
    several = f"In how many images each class occurs, by split{of_pixels}. An image may hold several."
    return Table("Images per class and split" if task.kind.one_class_each else several, columns, tuple(rows))


def _with_total(amounts: list[int]) -> list[Cell]:
    return [amount(n) for n in (*amounts, sum(amounts))]


def _duplicates(duplicates: Duplicates) -> list[Block]:
    if duplicates.pairs == 0:
        return [Prose("Duplicates across the splits: none found, neither pixel for pixel nor saved anew.")]
    pairs = (
        ("Images of a later split that an earlier one has too", amount(duplicates.images)),
        ("Pairs of such images", amount(duplicates.pairs)),
        ("of them pixel for pixel the same", amount(duplicates.identical)),
    )
    rows = tuple(row(pair.a, pair.a_split, pair.b, pair.b_split, pair.kind) for pair in duplicates.first)
    columns = ("Image", "in split", "is also", "in split", "how")
    named = Table(f"The first {len(rows)} pairs of duplicates", columns, rows, n_text=5, folded=True)
    return [Facts(pairs, "Duplicates across the splits"), named]
