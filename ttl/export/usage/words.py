"""The way from an image file to a decision in words, a sentence or two a step."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ttl.export.usage.parts import Decision, DecodingRules, Deep, Pixels, Probabilities, Tensor

DECODED = (
    "Turn the image upright by its EXIF orientation. Leave colour profiles alone. A palette becomes its colours. "
    "CMYK becomes RGB: each of R, G, B is n - round(n * c / 255) with n = 255 - k and c its C, M or Y. What lies under "
    "alpha a (0 to 255) is round(v * a / 255): transparent is black. Grey stays one channel."
)
SIGMOID = "1 / (1 + exp(-logit))"
RESIZED = (
    "Resize to height {0} and width {1} by the {2} filter, antialiased as in Pillow: the filter is widened by the "
    "scale where the image shrinks; first each row, rounded to 8 bits, then each column."
)
FITS = {
    "squash": "",
    "crop": " Before that take the middle min(h, w * {0} / {1}) rows and min(w, h * {1} / {0}) columns, from "
    "(h - rows) // 2 and (w - columns) // 2 on (a half rounded up, at least 1).",
    "pad": " Resize to min({0}, h * {1} / w) rows and min({1}, w * {0} / h) columns instead (a half rounded up, at "
    "least 1), and put that at ((height - rows) // 2, (width - columns) // 2) of a black image.",
}


def decoded(decoding: DecodingRules) -> tuple[str, ...]:
    """How a file becomes 8 bits a channel."""
    whole = {"first": "the first one", "middle": "number count // 2 + 1", "all": "each by itself"}
    frame = whole.get(str(decoding.frame), f"number {decoding.frame} (from 1 on)")
    window = "the window that its header names"
    if decoding.window is not None:
        window = "the window of centre {:g} and width {:g}".format(*decoding.window)
    frames = f"Of a file with several frames take {frame}. A DICOM file is shown in {window}."
    return frames, DECODED, _deep(decoding.deep)


def _deep(deep: Deep) -> str:
    which = (
        "Samples of more than 8 bits, or signed ones, become 8 bits (before that is rounded, TIFF's greys of which 0 "
        "is white are turned about, and what lies under alpha is multiplied by its share)"
    )
    scaled = "round(255 * (v - low) / (high - low)), clipped to 0..255 (a half to the even number), all channels alike"
    if deep.value_range is not None:
        low, high = deep.value_range
        return f"{which}: {scaled}, with low {low!r} and high {high!r}."
    if deep.rule == "minmax":
        return f"{which}: of colour the upper 8 bits; of grey {scaled}, from the darkest pixel to the brightest."
    return (
        f"{which}: {scaled}. low and high are the image's darkest and brightest value, pixels with alpha 0 left out, "
        f"but for outliers: of the n pixels strictly between them, sorted, take those at places k and n - 1 - k, "
        f"counted from 0, k = ceil({deep.outlier_share:g} * n), as first and last. Where first - low > last - first "
        f"> 0, low is first; where high - last > last - first > 0, high is last. Below {deep.fewest_between} pixels "
        "between, or where first is last, none is an outlier."
    )


def fed(pixels: Pixels) -> tuple[str, ...]:
    """How 8 bits become the network's pixels."""
    grey, lines = pixels.grey, []
    if pixels.channels == 1:
        (red, green, blue), half, shift = grey.weights, grey.half, grey.shift
        lines.append(f"Make colour grey: ({red} R + {green} G + {blue} B + {half}) >> {shift}, in whole numbers.")
    else:
        lines.append("Give a grey image's value to all three channels.")
    if pixels.sides is not None:
        resized = RESIZED.format(*pixels.sides, pixels.interpolation) + FITS[str(pixels.fit)].format(*pixels.sides)
        return *lines, resized
    height, width = pixels.multiples_of or (1, 1)
    lines.append(
        f"Keep the size. Pad at the bottom to a multiple of {height} and on the right to one of {width}, mirrored "
        "without the edge, or where the side is too short for that its last pixel repeated; crop the logits back."
    )
    if pixels.windows is not None:
        sides, overlap = " x ".join(map(str, pixels.windows.sides)), pixels.windows.overlap
        lines.append(
            f"An image with a side beyond {sides} is done in windows: where they start is s * i // m for i = 0 to m, "
            f"s the side less the window's and m = ceil(s / floor(window * {1 - overlap:g})). Logits are averaged, "
            f"weighted in each axis by exp(-(d / ({pixels.windows.sigma:g} * window))² / 2), d from the middle of "
            f"the window's pixels, the product at least {pixels.windows.least_weight:g}."
        )
    return tuple(lines)


def given(output: Tensor, class_names: Sequence[str], probabilities: Probabilities) -> str:
    """What the output holds, and what makes probabilities of it."""
    names = named(class_names)
    if probabilities == "none":
        return f"`{output.name}` are the probabilities of the classes {names}."
    if probabilities == "sigmoid of the second class":
        return (
            f"`{output.name}` has one output, that of {named(class_names, only=1)}: {SIGMOID} is its probability p, "
            f"and {named(class_names, only=0)} has 1 - p."
        )
    how = "a softmax over them makes probabilities" if probabilities == "softmax" else f"of each {SIGMOID}"
    return f"`{output.name}` are of the classes {names}: {how}."


def decided(decision: Decision, class_names: Sequence[str]) -> str:
    """What makes a decision of probabilities."""
    if decision.by == "most probable":
        made = "the most probable class, the first of several"
    elif decision.by == "labels":
        pairs = zip(class_names, decision.thresholds, strict=False)
        listed = ", ".join(f"{quoted(name)} from {value!r}" for name, value in pairs)
        made = f"the labels whose probability is at its threshold or above: {listed}"
    else:
        summed = " and ".join(map(quoted, decision.finding))
        made = f"the finding is there where the probability of {summed}, summed, is {decision.thresholds[0]!r} or more"
    line = f"Of each {decision.per}: {made}."
    if decision.per == "patient":
        how = {
            "mean": "the mean of each class over the images",
            "max": "of two classes the second's highest, the first having the rest; of more, or of labels, each one's "
            "highest, those of classes divided by their sum",
        }
        line += f" A patient's probabilities are {how[decision.combine]}."
    return line


def named(class_names: Sequence[str], only: int | None = None) -> str:
    """The classes with their numbers, quoted: a name may hold a comma."""
    pairs = [f"{number} {quoted(name)}" for number, name in enumerate(class_names)]
    return ", ".join(pairs) if only is None else pairs[only]


def quoted(name: str) -> str:
    """A name as JSON writes it."""
    return json.dumps(name, ensure_ascii=False)
