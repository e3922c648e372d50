"""Whose the images are, and whether somebody is on both sides of the split."""

from __future__ import annotations

from collections.abc import Mapping

from ttl.report.schema import RunReport
from ttl.words import units


def patients(report: RunReport) -> Mapping[str, int]:
    """Patients of each split; empty where they aren't known.

    Groups that were made of duplicates (`--dedupe together`) may hold several patients, and are none.
    """
    counted = {split: n for split, n in report.task.groups.items() if n is not None}
    return counted if len(counted) == len(report.task.groups) and not _duplicates_are_grouped(report) else {}


def _duplicates_are_grouped(report: RunReport) -> bool:
    return report.run.config.get("dedupe") == "together"


def split_sentence(report: RunReport) -> str:
    """Whether a patient is in two splits."""
    counted, shared = patients(report), report.task.groups_shared
    if counted and shared is not None:
        if shared == 0:
            return f"No patient is in two splits (checked: {units.whole(sum(counted.values()))} patients)."
        return f"{units.whole(shared)} of the patients are in more than one split: the figures are too good by that."
    if _duplicates_are_grouped(report):
        return "Images that show the same, and those of one patient where known, were kept in one split."
    return (
        "Patients are not known: images of one patient may be in several splits. A manifest with a column of patients "
        "(--group-column) keeps each of them in one."
    )


def tried_on(report: RunReport) -> str:
    """What the test figures stand on, in a sentence."""
    images, counted = units.whole(report.task.split_images["test"]), patients(report)
    unused = "which took no part in training or in the choice"
    if "test" in counted:
        apart = "; no patient is in two splits" if report.task.groups_shared == 0 else ""
        return f"Tried on {images} test images of {units.whole(counted['test'])} patients, {unused}{apart}."
    return (
        f"Tried on {images} test images, {unused}. It is not known which patient each is of: others of the same one "
        "may be among the training images."
    )
