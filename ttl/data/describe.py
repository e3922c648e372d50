"""What a task holds, as plain data for tables and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ttl.data.splits_file import groups_across
from ttl.data.task import Samples, Task, class_counts

DUPLICATES_NAMED = 20


def describe(task: Task) -> dict[str, Any]:
    """Counts and sizes, from what is known already: no image is read.

    Returns:
        `name`, `kind`, `class_names`, `channels` (1 grey, 3 colour), `fingerprint`, `notes`;
        `images` (all of them);
        `splits`: split -> {`images`, `classes`: class -> images that are known to have it, `groups`: number or None};
        `width_px` and `height_px`: {`min`, `median`, `max`};
        `groups_shared`: groups that lie in more than one split, None where there are no groups;
        `duplicates`: {`pairs`, `identical` (byte for byte), `images` (of a later split that an earlier one has too),
        `first`: the first pairs}, None where nobody looked for them;
        of segmentation tasks also `pixel_share`: class -> its share of the labelled pixels of all masks, and
        `unlabelled_share`: of all pixels.
    """
    sizes = task.train.source.sizes
    return {
        "name": task.name,
        "kind": task.kind,
        "class_names": list(task.class_names),
        "images": sum(len(samples) for samples in task.splits.values()),
        "channels": task.train.source.channels,
        "splits": {split: _split(task, samples) for split, samples in task.splits.items()},
        "width_px": _spread(sizes[:, 0]),
        "height_px": _spread(sizes[:, 1]),
        "groups_shared": shared_groups(task),
        "duplicates": _duplicates(task),
        "fingerprint": task.fingerprint,
        "notes": list(task.notes),
        **_pixel_shares(task),
    }


def _duplicates(task: Task) -> dict[str, Any] | None:
    found = task.duplicates
    if found is None:
        return None
    return {
        "pairs": len(found),
        "identical": sum(pair.kind == "identical" for pair in found),
        "images": len({pair.b for pair in found}),
        "first": [asdict(pair) for pair in found[:DUPLICATES_NAMED]],
    }


def _pixel_shares(task: Task) -> dict[str, Any]:
    if task.train.masks is None:
        return {}
    *pixels, unlabelled = task.train.masks.pixel_counts.sum(axis=0).tolist()
    shares = {name: count / sum(pixels) for name, count in zip(task.class_names, pixels, strict=True)}
    return {"pixel_share": shares, "unlabelled_share": unlabelled / (sum(pixels) + unlabelled)}


def _split(task: Task, samples: Samples) -> dict[str, Any]:
    numbers = class_counts(samples.labels, len(task.class_names))
    return {
        "images": len(samples),
        "classes": dict(zip(task.class_names, numbers, strict=True)),
        "groups": None if samples.groups is None else len(set(samples.groups)),
    }


def _spread(values: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, float]:
    return {"min": int(values.min()), "median": float(np.median(values)), "max": int(values.max())}


def shared_groups(task: Task) -> int | None:
    """How many groups lie in more than one split; None where there are no groups."""
    places = [(split, group) for split, samples in task.splits.items() for group in samples.groups or ()]
    if not places:
        return None
    splits, groups = zip(*places, strict=True)
    return len(groups_across(splits, groups))
