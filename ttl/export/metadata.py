"""What an exported file says about itself: enough to feed it an image and to judge its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import onnx
from pydantic import TypeAdapter, ValidationError

from ttl.errors import ExportError

PREFIX = "ttl."


@dataclass(frozen=True)
class Metadata:
    """The contract of an exported model.

    Attributes:
        kind: the task: `binary`, `multiclass`, `multilabel` or `segmentation`.
        class_names: the classes, in the order of the logits; of a segmentation into two classes the file has one
            output, the second's.
        image_size: height and width in pixels that images are resized to; in segmentation they keep their size, and
            larger ones are predicted in windows of this side.
        divisor: of the sides of what a segmentation network is given: images are padded to multiples of it, and the
            logits cropped back.
        free_sides: whether the file takes any such sides; else they are `image_size`.
        channels: 1 when the images it was trained on are grey (the model takes them repeated to 3), else 3.
        mean: what is subtracted from pixels scaled to 0..1, one number for each of the 3 input channels.
        std: what they are divided by afterwards.
        interpolation: how images are resized: `bilinear` or `bicubic`, with antialiasing.
        precision: of the weights: `fp32`, `fp16` or `int8`; inputs and outputs are float32 in each.
        embeds_preprocessing: whether the file takes decoded images, uint8 `(n, height, width, channels)` of any size,
            and gives probabilities; else normalised ones of its input size, and gives logits.
        window: centre and width of the values of DICOM files that are shown; null is their headers'.
        backbone: name of the network it was cut from.
        weights: where the network's weights came from, in words.
        cut: name of the truncation point.
        index: its index, 1 = lowest.
        params: number of parameters.
        macs: multiply-adds of one image.
        ttl_version: version of the tool that wrote the file.
        data_fingerprint: SHA-256 of the data it was fine-tuned on.
        metrics: split → metric → {`value`, `ci_low`, `ci_high`}, of the fine-tuned model in PyTorch; NaN is written
            as null. What the file itself gives on the test images is in the JSON beside it.
        parity: what comparing the file with PyTorch found: `max_abs`, `tolerance`, `float64_max_abs`.
        data_name: what the data it was fine-tuned on is called.
        recipe: how it was fine-tuned.
        versions: of the tools that made the file, by name.
        licence: what is known of the terms that the weights stand under.
    """

    kind: Literal["binary", "multiclass", "multilabel", "segmentation"]
    class_names: tuple[str, ...]
    image_size: int
    channels: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    backbone: str
    weights: str
    cut: str
    index: int
    params: int
    macs: int
    ttl_version: str
    data_fingerprint: str
    divisor: int = 1
    free_sides: bool = False
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    embeds_preprocessing: bool = False
    window: tuple[float, float] | None = None
    metrics: Mapping[str, Mapping[str, Mapping[str, float | None]]] = field(default_factory=dict)
    parity: Mapping[str, float | None] = field(default_factory=dict)
    data_name: str = ""
    recipe: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""


def to_properties(metadata: Metadata) -> dict[str, str]:
    """The metadata as ONNX metadata properties: keys `ttl.*`, values JSON."""
    values: dict[str, Any] = json.loads(_adapter().dump_json(metadata))
    return {PREFIX + key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}


def from_properties(properties: Mapping[str, str], path: Path) -> Metadata:
    """The metadata from a file's properties; properties that this version doesn't know are left alone.

    Raises:
        ExportError: when there is none, or it isn't readable; `path` names the file in the message.
    """
    known = {PREFIX + item.name: item.name for item in fields(Metadata)}
    found = {name: properties[key] for key, name in known.items() if key in properties}
    if not found:
        raise ExportError(f"{path} has no ttl metadata: write it with `ttl export`.")
    try:
        return _adapter().validate_python({name: json.loads(text) for name, text in found.items()})
    except (ValidationError, json.JSONDecodeError) as error:
        raise ExportError(f"{path} has ttl metadata that can't be read: {_reason(error)}; export it again.") from error


def read_metadata(path: str | Path) -> Metadata:
    """Read the metadata of an exported file, without running it.

    Raises:
        ExportError: when the file isn't there, isn't ONNX, or has no ttl metadata.
    """
    path = Path(path)
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise ExportError(f"{path} can't be read: {error.strerror or error}.") from error
    except Exception as error:  # protobuf's DecodeError, from a package without type information
        raise ExportError(f"{path} isn't an ONNX file: give one that `ttl export` wrote.") from error
    return from_properties({item.key: item.value for item in model.metadata_props}, path)


def _reason(error: ValidationError | json.JSONDecodeError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "a value isn't JSON"
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg'].lower()}"


@cache
def _adapter() -> TypeAdapter[Metadata]:
    return TypeAdapter(Metadata)
