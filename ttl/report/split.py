"""What is known of how the images were split: whose they are, and that nobody is on both sides."""

from __future__ import annotations

import math

from ttl.report.reading import Report, mapping
from ttl.words import units
from ttl.words.estimate import number


def patients(report: Report) -> dict[str, float]:
    """Patients of each split; empty where they aren't known.

    Groups that were made of duplicates (`--dedupe together`) may hold several patients, and are none.
    """
    config = mapping(mapping(report.raw, "run"), "config")
    groups = mapping(mapping(report.raw, "task"), "groups")
    found = {split: number(groups.get(split)) for split in groups}
    known = bool(found) and all(map(math.isfinite, found.values()))
    return found if known and config.get("dedupe") != "together" else {}


def split_sentence(report: Report) -> str:
    """Whether a patient is in two splits; nothing where the report doesn't tell."""
    task = mapping(report.raw, "task")
    if "groups" not in task:
        return ""
    found, shared = patients(report), number(task.get("groups_shared"))
    if found and math.isfinite(shared):
        if shared == 0:
            return f"No patient is in two splits (checked: {units.whole(sum(found.values()))} patients)."
        return f"{units.whole(shared)} of the patients are in more than one split: the figures are too good by that."
    if mapping(mapping(report.raw, "run"), "config").get("dedupe") == "together":
        return "Images that show the same, and those of one patient where known, were kept in one split."
    return (
        "Patients are not known: images of one patient may be in several splits. A manifest with a column of patients "
        "(--group-column) keeps each of them in one."
    )


def tried_on(report: Report) -> str:
    """What the test figures stand on, in a sentence; nothing where the number of images isn't known."""
    images = report.images("test")
    if not images > 0:
        return ""
    found = patients(report).get("test", math.nan)
    unused = "which took no part in training or in the choice"
    if math.isfinite(found):
        shared = number(mapping(report.raw, "task").get("groups_shared"))
        apart = "; no patient is in two splits" if shared == 0 else ""
        return f"Tried on {units.whole(images)} test images of {units.whole(found)} patients, {unused}{apart}."
    said = f"Tried on {units.whole(images)} test images, {unused}."
    if "groups" not in mapping(report.raw, "task"):
        return said
    return f"{said} It is not known which patient each is of: others of the same one may be among the training images."
