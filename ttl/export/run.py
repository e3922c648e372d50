"""An exported file at work: images in, probabilities out, nothing else needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ttl.cost.session import open_session, resolve_threads
from ttl.data.modality.image import GREY_MODES, channels_first, to_pixels
from ttl.data.modality.windows import segment
from ttl.errors import ExportError
from ttl.export.contract import Contract, from_properties
from ttl.export.digest import check_digests

COLOURS = 3
Maps = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]


class OnnxModel:
    """A file that `ttl export` wrote, ready to run on the CPU, whether it takes decoded images or normalised ones.

    Args:
        path: the file.
        threads: threads to use; every core of the process's cpuset by default.

    Attributes:
        path: the file.
        contract: what the file says about itself.

    Raises:
        ExportError: when the file is damaged, can't be run, or wasn't written by ttl.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        self.path = Path(path)
        self.contract: Contract = from_properties(check_digests(self.path).properties, self.path)
        self._session = open_session(self.path, threads=resolve_threads(threads))
        names, given = self.contract.class_names, self._session.get_outputs()[0].shape
        wanted = len(names) if self.contract.embeds_preprocessing else self.contract.outputs
        if len(given) < 2 or (isinstance(given[1], int) and given[1] != wanted):
            raise ExportError(f"{self.path} names {len(names)} classes, and its graph gives {given}: export it again.")

    def __repr__(self) -> str:
        origin, classes = self.contract.provenance, ", ".join(self.contract.class_names)
        return f"OnnxModel({str(self.path)!r}: {origin.network} up to {origin.cut}, {classes})"

    def predict(self, pixels: npt.NDArray[np.uint8] | torch.Tensor, *, batch_size: int = 64) -> Probabilities:
        """The probability of each class for each image, `(n, classes)` float64.

        Args:
            pixels: `(n, c, *sides)` uint8, c = 1 (grey) or 3.
            batch_size: images a call; it doesn't change the result beyond rounding.

        Raises:
            ExportError: when the pixels have another type or shape.
        """
        images = self._checked(pixels)
        starts = range(0, len(images), batch_size)
        return self._stacked([self._probabilities(images[start : start + batch_size]) for start in starts])

    def maps(
        self, images: Iterable[npt.NDArray[np.uint8] | torch.Tensor], *, in_windows: bool = True
    ) -> Iterator[Maps]:
        """Of a segmentation, the probability of each class at each pixel of each image, `(classes, h, w)` float32.

        Args:
            images: each `(c, h, w)` uint8 of any size, c = 1 (grey) or 3.
            in_windows: whether those with a side beyond the file's are done in windows; a file that takes decoded
                images never does that.

        Raises:
            ExportError: the file is of a classifier.
        """
        if not self.contract.per_pixel:
            raise ExportError(f"{self.path} is of a classifier and draws no masks: use predict.")
        for image in images:
            pixels = image.numpy(force=True) if isinstance(image, torch.Tensor) else np.asarray(image)
            yield self._map(pixels, in_windows=in_windows)

    def predict_images(self, images: Sequence[Image.Image], *, batch_size: int = 64) -> Probabilities:
        """The same for images of any size and mode, as a decoder returns them, made into pixels as for training.

        They are resized and run `batch_size` at a time; a file that takes decoded images gets each by itself.
        """
        if self.contract.embeds_preprocessing:
            return self._stacked([self._probabilities(decoded(image)[None]) for image in images])
        batches = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
        return self._stacked([self.predict(np.stack([trained_on(i, self.contract) for i in b])) for b in batches])

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """The file's one output for its one input, both as they are in it."""
        result: npt.NDArray[np.float32] = self._session.run(None, {self._session.get_inputs()[0].name: batch})[0]
        return result

    def _checked(self, pixels: npt.NDArray[np.uint8] | torch.Tensor) -> npt.NDArray[np.uint8]:
        images = pixels.numpy(force=True) if isinstance(pixels, torch.Tensor) else np.asarray(pixels)
        height, width = self.contract.sides
        shape_fits = images.ndim == 4 and images.shape[1] in (1, COLOURS) and images.shape[2:] == (height, width)
        if images.dtype != np.uint8 or not shape_fits:
            raise ExportError(
                f"{self.path} takes uint8 pixels of shape (n, 1 or 3, {height}, {width}) and was given "
                f"{images.dtype} of shape {images.shape}: resize them, or use predict_images."
            )
        return images

    def _stacked(self, parts: list[Probabilities]) -> Probabilities:
        return np.concatenate([np.zeros((0, len(self.contract.class_names))), *parts])

    def _probabilities(self, images: npt.NDArray[np.uint8]) -> Probabilities:
        """`(n, classes)` of `(n, c, h, w)`: of the network's size, or decoded images of one size."""
        if self.contract.embeds_preprocessing:
            return self.run(images.transpose(0, 2, 3, 1)).astype(np.float64)
        logits = self.run(self._normalised(images)).astype(np.float64)
        return _sigmoid(logits) if self.contract.activation == "sigmoid" else _softmax(logits)

    def _map(self, pixels: npt.NDArray[np.uint8], *, in_windows: bool) -> Maps:
        """`(classes, h, w)` of `(c, h, w)`."""
        own = self.contract
        if own.embeds_preprocessing:
            (drawn,) = self.run(pixels.transpose(1, 2, 0)[None])
            return np.asarray(drawn)
        window = own.sides if in_windows else (pixels.shape[1], pixels.shape[2])
        divisor = own.divisor if own.free_sides else own.sides
        logits = segment(self._normalised(pixels[None])[0], self.run, window=window, divisor=divisor)
        return _pixel_probabilities(logits)

    def _normalised(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        colour = np.broadcast_to(images, (len(images), COLOURS, *images.shape[2:])).astype(np.float32)
        statistics = (self.contract.mean, self.contract.std)
        mean, std = (np.array(values, np.float32).reshape(1, COLOURS, 1, 1) for values in statistics)
        return np.asarray((colour / np.float32(255) - mean) / std)


def trained_on(image: Image.Image, contract: Contract) -> npt.NDArray[np.uint8]:
    """An image as training saw it, `(channels, h, w)` uint8: at the contract's sides, in segmentation at its own."""
    if contract.per_pixel:
        return channels_first(image, contract.channels)
    interpolation = contract.decoding.interpolation
    return to_pixels(image, channels=contract.channels, image_size=contract.sides, interpolation=interpolation)


def decoded(image: Image.Image) -> npt.NDArray[np.uint8]:
    """What a file that takes decoded images is fed, channels first: `(c, h, w)` uint8, grey where the image is."""
    return channels_first(image, 1 if image.mode in GREY_MODES else COLOURS)


def _pixel_probabilities(logits: Maps) -> Maps:
    """`(classes, h, w)` of logits `(outputs, h, w)`; one output is the foreground's."""
    if len(logits) > 1:
        return np.asarray(_softmax(logits[None].astype(np.float64))[0], np.float32)
    foreground = _sigmoid(logits[0].astype(np.float64))
    both: Maps = np.stack([1 - foreground, foreground]).astype(np.float32)
    return both


def _softmax(logits: npt.NDArray[np.float64]) -> Probabilities:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    total: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return total


def _sigmoid(logits: npt.NDArray[np.float64]) -> Probabilities:
    # exp of a large positive number would overflow; tanh doesn't.
    odds: Probabilities = 0.5 * (1 + np.tanh(0.5 * logits))
    return odds
