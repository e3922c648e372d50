"""A program that knows an exported file and the block of JSON in its card, and nothing of ttl.

With numpy, onnxruntime and Pillow it goes from an image file to the decision. What it can't decode as the card says, it
refuses: DICOM, TIFF and JPEG 2000 of more than 8 bits, and PNG of 16 bits with alpha or colours.
"""

from __future__ import annotations

import json
import math
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from PIL import Image, ImageOps

GREY = ("1", "L", "LA", "La")
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
Array = np.ndarray[Any, Any]
Usage = dict[str, Any]


def usage_in(card: str) -> Usage:
    """The card's one block of JSON."""
    (block,) = re.findall(r"^```json\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)
    usage: Usage = json.loads(block)
    return usage


def decoded(path: Path, rules: Usage) -> Array:
    """`(height, width, 1 or 3)` uint8."""
    assert (rules["orientation"], rules["transparency"], rules["frame"]) == ("exif", "on black", "first")
    data = path.read_bytes()
    image = Image.open(BytesIO(data))
    is_deep_png = image.format == "PNG" and data[24] == 16
    is_beyond_pillow = is_deep_png and (data[25] != 0 or "transparency" in image.info)
    if is_beyond_pillow or image.format in ("TIFF", "JPEG2000"):
        raise ValueError(f"{path} needs a decoder that gives all bits")
    if image.mode in DEEP:
        return stretched(np.asarray(ImageOps.exif_transpose(image)).astype(np.float64), rules["deep"])[..., None]
    image = ImageOps.exif_transpose(image)
    mode = "L" if image.mode in GREY else "RGB"
    if image.mode == "CMYK":
        ink = np.asarray(image).astype(np.float64)
        rest = 255 - ink[..., 3:]
        return (rest - np.rint(rest * ink[..., :3] / 255)).astype(np.uint8)
    if image.has_transparency_data:
        clear = np.asarray(image.convert("RGBA")).astype(np.float64)
        colours = np.rint(clear[..., :3] * clear[..., 3:] / 255).astype(np.uint8)
        return colours[..., :1] if mode == "L" else colours
    pixels = np.asarray(image.convert(mode))
    return pixels[..., None] if mode == "L" else pixels


def stretched(values: Array, rules: Usage) -> Array:
    """8 bits of what has more."""
    low, high = values.min(), values.max()
    if rules["value_range"] is not None:
        low, high = rules["value_range"]
    elif rules["rule"] == "percentiles":
        between = np.sort(values[(values > low) & (values < high)])
        if len(between) >= rules["fewest_between"]:
            place = math.ceil(rules["outlier_share"] * len(between))
            first, last = between[place], between[len(between) - 1 - place]
            below, above = first - low > last - first > 0, high - last > last - first > 0
            low, high = first if below else low, last if above else high
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    return np.rint(255 * np.clip((values - low) / (high - low), 0, 1)).astype(np.uint8)


def halves_up(number: int, divisor: int) -> int:
    """At least 1."""
    return max(1, (2 * number + divisor) // (2 * divisor))


def of_channels(pixels: Array, rules: Usage) -> Array:
    """Grey where the network is."""
    if rules["channels"] == 3 or pixels.shape[2] == 1:
        return pixels
    grey = rules["grey"]
    summed = sum(weight * pixels[..., i].astype(np.int64) for i, weight in enumerate(grey["weights"]))
    return ((summed + grey["half"]) >> grey["shift"]).astype(np.uint8)[..., None]


def resized(pixels: Array, rules: Usage) -> Array:
    """Of the network's sides."""
    (height, width), (h, w) = rules["sides"], pixels.shape[:2]
    resampling = Image.Resampling[rules["interpolation"].upper()]
    if rules["fit"] == "crop":
        rows, columns = min(h, halves_up(w * height, width)), min(w, halves_up(h * width, height))
        top, left = (h - rows) // 2, (w - columns) // 2
        pixels = pixels[top : top + rows, left : left + columns]
    inner = (height, width)
    if rules["fit"] == "pad":
        inner = min(height, halves_up(h * width, w)), min(width, halves_up(w * height, h))
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image = image.resize((inner[1], image.height), resampling).resize((inner[1], inner[0]), resampling)
    placed = np.zeros((height, width, pixels.shape[2]), np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    placed[top : top + inner[0], left : left + inner[1]] = np.asarray(image).reshape(*inner, -1)
    return placed


def fed(pixels: Array, rules: Usage) -> Array:
    """`(1, 3, height, width)` float32."""
    shares = pixels.astype(np.float32) / np.float32(rules["divide_by"])
    normalised = (shares - np.array(rules["mean"], np.float32)) / np.array(rules["std"], np.float32)
    return normalised.transpose(2, 0, 1)[None]


def segmented(image: Array, rules: Usage, run: Any) -> Array:
    """Logits of `(1, 3, height, width)`, whole or in windows."""
    sides, windows = image.shape[2:], rules["windows"]
    for axis, (most, of) in enumerate(zip(windows["sides"], rules["multiples_of"], strict=True), start=2):
        side = image.shape[axis]
        extra = -side % of if side <= most else 0
        around = [(0, extra if axis == other else 0) for other in range(4)]
        image = np.pad(image, around, mode="reflect" if extra < side else "edge") if extra else image
    starts, weights = [], []
    for side, most in zip(image.shape[2:], windows["sides"], strict=True):
        rest, window = max(0, side - most), min(side, most)
        steps = math.ceil(rest / math.floor(most * (1 - windows["overlap"])))
        starts.append([(rest * i // steps if steps else 0) for i in range(steps + 1)])
        away = (np.arange(window) - (window - 1) / 2) / (windows["sigma"] * window)
        weights.append(np.exp(-0.5 * away**2))
    weight = np.maximum(weights[0][:, None] * weights[1], windows["least_weight"])
    total, summed = 0.0, np.zeros(image.shape[2:])
    for top in starts[0]:
        for left in starts[1]:
            part = np.s_[..., top : top + weight.shape[0], left : left + weight.shape[1]]
            logits = run(np.ascontiguousarray(image[part]))
            placed = np.zeros((*logits.shape[:2], *summed.shape))
            placed[part] = logits * weight
            total, summed[part] = total + placed, summed[part] + weight
    return (total / summed)[..., : sides[0], : sides[1]]


def activated(values: Array, how: str) -> Array:
    """Probabilities of outputs `(1, outputs, ...)`."""
    values = values.astype(np.float64)
    if how == "none":
        return values
    if how == "softmax":
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    each = 1 / (1 + np.exp(-values))
    return np.concatenate([1 - each, each], axis=1) if how == "sigmoid of the second class" else each


def decided(probabilities: Array, usage: Usage) -> Any:
    """A class, labels, or whether the finding is there; of pixels a mask of numbers."""
    rule, names = usage["decision"], usage["class_names"]
    if rule["by"] == "labels":
        return [name for name, p, t in zip(names, probabilities, rule["thresholds"], strict=True) if p >= t]
    if rule["by"] == "most probable":
        best = probabilities.argmax(axis=0)
        return best if rule["per"] == "pixel" or best.ndim else names[int(best)]
    score = sum(probabilities[names.index(name)] for name in rule["finding"])
    there = score >= rule["thresholds"][0]
    return there.astype(np.int64) if np.ndim(there) else bool(there)


def answer(card: str, model: Path, image: Path) -> tuple[Array, Any]:
    """The probabilities of an image's classes, or of its pixels', and the decision."""
    usage = usage_in(card)
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    def run(batch: Array) -> Array:
        return np.asarray(session.run([usage["output"]["name"]], {usage["input"]["name"]: batch})[0])

    pixels, rules = decoded(image, usage["decoding"]), usage["pixels"]
    if rules is None:
        outputs = run(pixels[None])
    elif rules["sides"] is not None:
        outputs = run(fed(resized(of_channels(pixels, rules), rules), usage["normalisation"]))
    else:
        outputs = segmented(fed(of_channels(pixels, rules), usage["normalisation"]), rules, run)
    (probabilities,) = activated(outputs, usage["probabilities"])
    return probabilities, decided(probabilities, usage)
