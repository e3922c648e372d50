"""Reads data sets that are arrays: a MedMNIST-style .npz, or what comes with an installed library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttl.data.modality.image import Pixels
from ttl.data.readers.medmnist import medmnist_set
from ttl.data.records import Records
from ttl.data.sources import ArraySource
from ttl.data.task import MISSING, SPLITS, Labels
from ttl.errors import DataError
from ttl.words.counts import listed

Array = npt.NDArray[Any]

BUILTIN = ("digits",)  # they need no network
BRIGHTEST = 16  # scikit-learn's digits count the dark pixels of 4x4 cells


def read_builtin(data: str) -> Records:
    """scikit-learn's handwritten digits, 8x8 grey: `digits`, or `digits:5-9` for some of the classes.

    Raises:
        DataError: no such classes.
    """
    from sklearn.datasets import load_digits

    span = re.fullmatch(r"digits:([0-9])-([0-9])", "digits:0-9" if data == "digits" else data)
    if span is None or int(span[1]) >= int(span[2]):
        raise DataError(f"There are no built-in data {data!r}: write digits, or for instance digits:5-9.")
    wanted = range(int(span[1]), int(span[2]) + 1)
    images, digits = load_digits(return_X_y=True)
    kept = np.flatnonzero(np.isin(digits, wanted))
    pixels = np.rint(images[kept].reshape(-1, 8, 8) * (255 / BRIGHTEST)).astype(np.uint8)
    return Records(
        name=data,
        class_names=tuple(map(str, wanted)),
        ids=tuple(f"digits/{i}" for i in kept),
        labels=digits[kept].astype(np.int64) - wanted[0],
        source=ArraySource.of(pixels),
    )


def read_npz(path: Path) -> Records:
    """All images of an .npz, with the splits that it has: train_images, train_labels and so on.

    Labels of shape `(n, 1)` are a class an image, `(n, labels)` of 1 and 0 are several labels. The sets of
    MedMNIST are known by the names of their files, so that their classes have names, too.

    Raises:
        DataError: it can't be read, has other keys, or holds something else than images and labels.
    """
    arrays, aside = _arrays(path)
    images = {split: _images(path, split, arrays[key]) for split in SPLITS if (key := f"{split}_images") in arrays}
    labels = {split: _labels(path, split, arrays[f"{split}_labels"]) for split in images}
    for split, pixels in images.items():
        if (n := len(labels[split])) != len(pixels):
            raise DataError(
                f"{path} has {len(pixels)} {split}_images and {n} {split}_labels: one label an image is needed."
            )
    if len({pixels.shape[1:] for pixels in images.values()}) > 1:
        shapes = listed(f"{split} {pixels.shape[1:]}" for split, pixels in images.items())
        raise DataError(f"The images in {path} differ in shape ({shapes}): all splits must have one shape.")
    if len({numbers.shape[1:] for numbers in labels.values()}) > 1:
        shapes = listed(f"{split}_labels {numbers.shape}" for split, numbers in labels.items())
        raise DataError(
            f"The splits in {path} differ in the number of labels an image ({shapes}): give each all of them."
        )
    every = np.concatenate([*labels.values()])
    classes = _number_of_classes(path, every)
    known, notes = medmnist_set(path.stem, classes), [*aside]
    if known is not None:
        named = listed(f"{i} is {name}" for i, name in enumerate(known.class_names))
        notes.append(f"Class names by the name of the file, as MedMNIST publishes them: {named}.")
    places = [(split, i) for split, numbers in labels.items() for i in range(len(numbers))]
    return Records(
        name=path.stem,
        class_names=tuple(map(str, range(classes))) if known is None else known.class_names,
        ids=tuple(f"{split}/{i}" for split, i in places),
        labels=every,
        source=ArraySource.of(np.concatenate([*images.values()])),
        given=tuple(split for split, _ in places),
        ordinal=known is not None and known.ordinal,
        notes=tuple(notes),
    )


def _number_of_classes(path: Path, labels: Labels) -> int:
    if labels.ndim == 2:
        if same := [k for k in range(labels.shape[1]) if len({*labels[:, k].tolist()} - {MISSING}) < 2]:
            raise DataError(
                f"The labels {listed(map(str, same))} (counted from 0) in {path} are the same in all images: nothing "
                "can be learned of them; leave these columns out."
            )
        return int(labels.shape[1])
    if labels.max(initial=0) >= max(len(labels), 1):
        raise DataError(
            f"The labels in {path} go up to {labels.max()}, which is out of range for {len(labels)} images: "
            "number the classes from 0."
        )
    return int(labels.max(initial=-1)) + 1


def _arrays(path: Path) -> tuple[dict[str, Array], list[str]]:
    """The arrays of images and labels by their names, and a note on others."""
    # A damaged archive makes numpy and zipfile raise many things, and a pickled array must stay unread.
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            keys = list(archive)
            wanted = [f"{split}_{what}" for split in SPLITS for what in ("images", "labels")]
            arrays = {key: archive[key] for key in wanted if key in keys}
    except Exception as error:
        raise DataError(f"The file {path} can't be read as .npz ({error}): is it complete?") from None
    needed = {"train", *(key.partition("_")[0] for key in arrays)}
    missing = {f"{split}_{what}" for split in needed for what in ("images", "labels")} - arrays.keys()
    if missing:
        raise DataError(
            f"{path} has no {listed(sorted(missing))} (it has {listed(keys) or 'nothing'}): "
            "name the arrays as MedMNIST does."
        )
    others = [key for key in keys if key not in arrays]
    notes = [f"Not read, as no array of images or labels: {listed(others)}."] if others else []
    return arrays, notes


def _images(path: Path, split: str, images: Array) -> Pixels:
    if images.dtype != np.uint8:
        values = f" ({images.min():g} to {images.max():g})" if images.dtype.kind in "iuf" and images.size else ""
        raise DataError(
            f"{split}_images in {path} is {images.dtype}{values}: images of uint8, 0..255, are needed; scale those of "
            "all splits alike, round them, and save them with .astype(numpy.uint8)."
        )
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    fits = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if not fits or 0 in images.shape[1:]:
        channels_first = images.ndim == 4 and images.shape[1] in (1, 3)
        remedy = "; move the channels to the end with numpy.moveaxis(images, 1, -1)" if channels_first else ""
        raise DataError(
            f"{split}_images in {path} has the shape {images.shape}: (n, h, w) for grey or (n, h, w, 3) "
            f"for colour is needed{remedy}."
        )
    return images


def _labels(path: Path, split: str, labels: Array) -> Labels:
    """Labels of one class an image, `(n,)`, or of several labels each, `(n, classes)`."""
    where = f"{split}_labels in {path}"
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "iub":
        raise DataError(
            f"{where} is {labels.dtype} of shape {labels.shape}: integers of shape (n, 1) are needed, or (n, labels) "
            "of 1 and 0."
        )
    if labels.ndim == 2 and labels.shape[1] > 1:
        several = labels.astype(np.int64)
        if strange := sorted({*np.unique(several).tolist()} - {0, 1, MISSING}):
            raise DataError(
                f"{where} has {labels.shape[1]} labels an image with the value {listed(map(str, strange), 3)}: of "
                "several labels each is 1, 0, or -1 where unknown."
            )
        return several
    numbers = labels.reshape(-1).astype(np.int64)
    if (numbers < 0).any():
        raise DataError(f"{where} has the label {numbers.min()}, which is out of range: number the classes from 0.")
    return numbers
