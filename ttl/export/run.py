"""An exported file at work: images in, probabilities out, nothing else needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
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
from ttl.export.contract import AGAIN, INPUT_CHANNELS, Contract, from_properties
from ttl.export.digest import check_digests, read_whole
from ttl.export.graph_ends import check_ends, check_output
from ttl.export.onnx_graph import INPUT
from ttl.export.quiet import first_line

Maps = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8] | torch.Tensor
Call = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
PIXELS_A_CALL = 2**24
"""Of 64 images of 512 x 512 pixels: memory grows with them."""


class FileModel:
    """An exported file at work, whatever runs it: `call` is given the file's input and returns its output.

    The `properties` are its metadata, of which the `contract` is a part.
    """

    def __init__(self, path: Path, properties: Mapping[str, str], contract: Contract, call: Call) -> None:
        self.path, self.properties, self.contract, self._call = path, properties, contract, call

    def __repr__(self) -> str:
        origin, classes = self.contract.provenance, ", ".join(self.contract.class_names)
        return f"{type(self).__name__}({str(self.path)!r}: {origin.network} up to {origin.cut}, {classes})"

    def predict(self, pixels: Pixels, *, batch_size: int = 64) -> Probabilities:
        """The probability of each class for each image, `(n, classes)` float64.

        The `pixels` are `(n, c, *sides)` uint8, c = 1 (grey) or 3; `batch_size` images go into a call, fewer where they
        are large, which doesn't change the result beyond rounding.

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
        size = max(1, min(batch_size, PIXELS_A_CALL // prod(sides)))
        starts = range(0, len(images), size)
        return self._stacked(self._probabilities(images[start : start + size]) for start in starts)

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
        """The file's one output for its one input, both as they are in it.

        Raises:
            ExportError: it can't be run, or gives another shape than its contract says, NaN or infinity.
        """
        try:
            output = np.asarray(self._call(batch))
        except Exception as error:  # runtimes have a dozen unrelated exception classes and export no base
            raise ExportError(f"{self.path} can't be run on images {batch.shape}: {first_line(error)}") from error
        check_output(output.shape, batch.shape, self.contract, self.path)
        if not np.isfinite(output).all():
            raise ExportError(f"{self.path} gives NaN or infinity: nothing can be decided by that; {AGAIN}.")
        return output

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


class OnnxModel(FileModel):
    """A file that `ttl export` wrote, ready to run on the CPU on every core of the process's cpuset, or on `threads`.

    What runs is the bytes whose digests were looked at, without other files that they may name; what graph and metadata
    say of input and output is compared.

    Raises:
        ExportError: the file is damaged, can't be run, wasn't written by ttl, or disagrees with its own metadata.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        path = Path(path)
        content, properties = read_whole(path)
        contract = from_properties(properties, path)
        session = open_session(content, threads=resolve_threads(threads), name=str(path))
        check_ends(session.get_inputs(), session.get_outputs(), contract, path)
        super().__init__(path, properties, contract, lambda batch: session.run(None, {INPUT: batch})[0])


def open_model(path: str | Path, threads: int | None = None) -> FileModel:
    """A file that `ttl export` wrote, by its suffix: an IR in OpenVINO, else as ONNX.

    Raises:
        ExportError: see `OnnxModel`.
    """
    if is_ir(Path(path)):
        from ttl.export.targets import openvino  # it imports this module

        return openvino.open_model(Path(path), threads)
    return OnnxModel(path, threads)


def properties_of(path: Path) -> dict[str, str]:
    """The metadata of such a file, once it was found to be whole, without running it.

    Raises:
        ExportError: there is no such file, or it is damaged.
    """
    if is_ir(path):
        from ttl.export.targets import openvino  # it imports this module

        return openvino.read_properties(path)
    return check_digests(path)


def is_ir(path: Path) -> bool:
    """Whether it is OpenVINO's, by its name, which ends with `.xml` or, while it is written, goes on behind that."""
    return ".xml" in path.suffixes


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
