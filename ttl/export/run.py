"""An exported file at work: images in, probabilities out, nothing else needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy.special import softmax

from ttl.cost.session import open_session, resolve_threads
from ttl.data.modality.eight_bits import GREY_MODES
from ttl.data.modality.image import channels_first
from ttl.data.modality.normalise import normalised
from ttl.data.modality.windows import segment
from ttl.errors import ExportError
from ttl.export.contract import INPUT_CHANNELS, Contract, from_properties
from ttl.export.digest import check_digests

Maps = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8] | torch.Tensor


class OnnxModel:
    """A file that `ttl export` wrote, ready to run on the CPU on every core of the process's cpuset, or on `threads`.

    Raises:
        ExportError: the file is damaged, can't be run, or wasn't written by ttl.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        self.path = Path(path)
        self.contract: Contract = from_properties(check_digests(self.path), self.path)
        self._session = open_session(self.path, threads=resolve_threads(threads))
        names, given = self.contract.class_names, self._session.get_outputs()[0].shape
        wanted = len(names) if self.contract.embeds_preprocessing else self.contract.outputs
        if len(given) < 2 or (isinstance(given[1], int) and given[1] != wanted):
            raise ExportError(f"{self.path} names {len(names)} classes, and its graph gives {given}: export it again.")

    def __repr__(self) -> str:
        origin, classes = self.contract.provenance, ", ".join(self.contract.class_names)
        return f"OnnxModel({str(self.path)!r}: {origin.network} up to {origin.cut}, {classes})"

    def predict(self, pixels: Pixels, *, batch_size: int = 64) -> Probabilities:
        """The probability of each class for each image, `(n, classes)` float64.

        The `pixels` are `(n, c, *sides)` uint8, c = 1 (grey) or 3; `batch_size` images go into a call, which doesn't
        change the result beyond rounding.

        Raises:
            ExportError: the pixels have another type or shape.
        """
        images, sides = _array(pixels), self.contract.sides
        shape_fits = images.ndim == 4 and images.shape[1] in (1, INPUT_CHANNELS) and images.shape[2:] == sides
        if images.dtype != np.uint8 or not shape_fits:
            raise ExportError(
                f"{self.path} takes uint8 pixels of shape (n, 1 or 3, {', '.join(map(str, sides))}) and was given "
                f"{images.dtype} of shape {images.shape}: resize them, or use predict_images."
            )
        starts = range(0, len(images), batch_size)
        return self._stacked(self._probabilities(images[start : start + batch_size]) for start in starts)

    def predict_images(self, images: Sequence[Image.Image], *, batch_size: int = 64) -> Probabilities:
        """The same for images of any size and mode, made into pixels as they were for training.

        So many are resized and run at a time; a file that takes decoded images gets each by itself.
        """
        if self.contract.embeds_preprocessing:
            return self._stacked(self._probabilities(decoded(image)[None]) for image in images)
        batches = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
        return self._stacked(self.predict(np.stack([trained_on(i, self.contract) for i in b])) for b in batches)

    def maps(self, images: Iterable[Pixels], *, in_windows: bool = True) -> Iterator[Maps]:
        """Of a segmentation, the probability of each class at each pixel of each image: `(classes, h, w)` float32.

        The images are `(c, h, w)` uint8 of any size, c = 1 (grey) or 3. Those with a side beyond the file's are done
        `in_windows`; a file that takes decoded images never does that.

        Raises:
            ExportError: the file is of a classifier.
        """
        own = self.contract
        if not own.per_pixel:
            raise ExportError(f"{self.path} is of a classifier and draws no masks: use predict.")
        divisor = own.divisor if own.free_sides else own.sides
        for pixels in map(_array, images):
            if own.embeds_preprocessing:
                yield self.run(pixels.transpose(1, 2, 0)[None])[0]
                continue
            window = own.sides if in_windows else pixels.shape[1:]
            logits = segment(self._normalised(pixels[None])[0], self.run, window=window, divisor=divisor)
            drawn = self._activated(logits[None])[0]
            # One output is the foreground's.
            yield (np.concatenate([1 - drawn, drawn]) if len(drawn) == 1 else drawn).astype(np.float32)

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """The file's one output for its one input, both as they are in it."""
        return np.asarray(self._session.run(None, {self._session.get_inputs()[0].name: batch})[0])

    def _stacked(self, parts: Iterable[Probabilities]) -> Probabilities:
        return np.concatenate([np.zeros((0, len(self.contract.class_names))), *parts])

    def _probabilities(self, images: npt.NDArray[np.uint8]) -> Probabilities:
        """`(n, classes)` of `(n, c, h, w)`: of the network's size, or decoded images of one size."""
        if self.contract.embeds_preprocessing:
            return self.run(images.transpose(0, 2, 3, 1)).astype(np.float64)
        return self._activated(self.run(self._normalised(images)))

    def _activated(self, logits: npt.NDArray[np.float32]) -> Probabilities:
        """Of logits `(n, outputs, ...)` as many probabilities."""
        exact = logits.astype(np.float64)
        if self.contract.activation == "softmax":
            return np.asarray(softmax(exact, axis=1))
        return np.asarray(0.5 * (1 + np.tanh(0.5 * exact)))  # the sigmoid, without an exp that overflows

    def _normalised(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return normalised(torch.tensor(images), self.contract.mean, self.contract.std).contiguous().numpy()


def trained_on(image: Image.Image, contract: Contract) -> npt.NDArray[np.uint8]:
    """An image as training saw it, `(channels, h, w)` uint8: at the contract's sides, in segmentation at its own."""
    if contract.per_pixel:
        return channels_first(image, contract.channels)
    return contract.resizing.pixels(image, contract.channels)


def decoded(image: Image.Image) -> npt.NDArray[np.uint8]:
    """What a file that takes decoded images is fed, channels first: `(c, h, w)` uint8, grey where the image is."""
    return channels_first(image, 1 if image.mode in GREY_MODES else INPUT_CHANNELS)


def _array(pixels: Pixels) -> npt.NDArray[np.uint8]:
    return pixels.numpy(force=True) if isinstance(pixels, torch.Tensor) else np.asarray(pixels)
