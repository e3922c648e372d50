"""Reads data sets that are arrays: a MedMNIST-style .npz, or what comes with an installed library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttl.data.modality.image import Pixels
from ttl.data.records import Records
from ttl.data.sources import ArraySource
from ttl.data.task import SPLITS, Labels
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

    Raises:
        DataError: it can't be read, has other keys, or holds something else than images and labels.
    """
    arrays = _arrays(path)
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
    every = np.concatenate([*labels.values()])
    if every.max(initial=0) >= max(len(every), 1):
        raise DataError(
            f"The labels in {path} go up to {every.max()}, which is out of range for {len(every)} images: "
            "number the classes from 0."
        )
    places = [(split, i) for split, numbers in labels.items() for i in range(len(numbers))]
    return Records(
        name=path.stem,
        class_names=tuple(map(str, range(every.max(initial=-1) + 1))),
        ids=tuple(f"{split}/{i}" for split, i in places),
        labels=every,
        source=ArraySource.of(np.concatenate([*images.values()])),
        given=tuple(split for split, _ in places),
    )


def _arrays(path: Path) -> dict[str, Array]:
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
    return arrays


def _images(path: Path, split: str, images: Array) -> Pixels:
    if images.dtype != np.uint8:
        raise DataError(f"{split}_images in {path} is {images.dtype}: images of uint8, 0..255, are needed.")
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    fits = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if not fits or 0 in images.shape[1:]:
        raise DataError(
            f"{split}_images in {path} has the shape {images.shape}: (n, h, w) for grey or (n, h, w, 3) "
            "for colour is needed."
        )
    return images


def _labels(path: Path, split: str, labels: Array) -> Labels:
    where = f"{split}_labels in {path}"
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise DataError(
            f"{where} has {labels.shape[1]} labels an image, a multi-label set, which can't be learned from yet: give "
            "one label an image."
        )
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "iu":
        raise DataError(f"{where} is {labels.dtype} of shape {labels.shape}: integers of shape (n, 1) are needed.")
    numbers = labels.reshape(-1).astype(np.int64)
    if (numbers < 0).any():
        raise DataError(f"{where} has the label {numbers.min()}, which is out of range: number the classes from 0.")
    return numbers
