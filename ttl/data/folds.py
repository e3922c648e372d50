"""Cross-validation: training and validation images taken together, and dealt out to folds that leave patients whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ttl.data.decoded import Split, joined
from ttl.data.split import stratified_split
from ttl.data.task import Labels, Samples, Task, picked
from ttl.errors import DataError


def pooled(task: Task) -> Task:
    """The same with train and val together, train first, in the place of both: each image is judged out of fold."""
    together = _joined(task.train, task.val)
    return replace(task, train=together, val=together)


def folds_of(samples: Samples, folds: int, seed: int) -> Labels:
    """`(n,)`: the fold, from 0, of each sample; each class is shared out, no patient is in two.

    Raises:
        DataError: there are fewer images, or patients, than folds.
    """
    units = len(samples) if samples.groups is None else len(set(samples.groups))
    if units < folds:
        what = "images" if samples.groups is None else "patients"
        raise DataError(f"--folds {folds} needs as many {what} to learn from, and there are {units}: ask for fewer")
    shares = {str(fold): 1 / folds for fold in range(folds)}
    return np.array([int(name) for name in stratified_split(samples.labels, shares, seed=seed, groups=samples.groups)])


def fold_task(task: Task, fold: int, folds: int, seed: int) -> Task:
    """A pooled task with one fold as its val, and the others as its train.

    Raises:
        DataError: a class of the images would be missing from what is learned from.
    """
    of = folds_of(task.train, folds, seed)
    inside, outside = np.flatnonzero(of != fold), np.flatnonzero(of == fold)
    train, whole = _at(task.train, inside), task.train.labels
    lacking = [
        name
        for number, name in enumerate(task.class_names)
        if _has(whole, number).any() and not _has(train.labels, number).any()
    ]
    if lacking:
        raise DataError(
            f"--folds {folds}: all images of {lacking[0]} to learn from are in one fold: ask for more folds, or leave "
            "them out"
        )
    return replace(task, train=train, val=_at(task.train, outside))


def fold_splits(splits: dict[str, Split], fold: int, of: Labels) -> dict[str, Split]:
    """The decoded splits of `fold_task`, of those of the pooled task."""
    train = splits["train"]
    return {**splits, "train": train.at(np.flatnonzero(of != fold)), "val": train.at(np.flatnonzero(of == fold))}


def pooled_splits(splits: dict[str, Split]) -> dict[str, Split]:
    """The decoded splits of a pooled task, of those of the task that it was made of."""
    together = joined(splits["train"], splits["val"])
    return {**splits, "train": together, "val": together}


def _has(labels: Labels, number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray(labels == number if labels.ndim == 1 else labels[:, number] == 1)


def _joined(one: Samples, other: Samples) -> Samples:
    groups = None if one.groups is None or other.groups is None else (*one.groups, *other.groups)
    return replace(
        one,
        ids=(*one.ids, *other.ids),
        labels=np.concatenate([one.labels, other.labels]),
        index=np.concatenate([one.index, other.index]),
        groups=groups,
        attributes={name: (*values, *other.attributes[name]) for name, values in one.attributes.items()},
    )


def _at(samples: Samples, positions: Labels) -> Samples:
    return replace(
        samples,
        ids=picked(samples.ids, positions),
        labels=samples.labels[positions],
        index=samples.index[positions],
        groups=None if samples.groups is None else picked(samples.groups, positions),
        attributes={name: picked(values, positions) for name, values in samples.attributes.items()},
    )
